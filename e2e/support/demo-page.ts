// Drives the demo's page, and reads what it shows and which requests it makes.
import { expect, type Locator, type Page } from "@playwright/test";

import type { Demo } from "../../demo/server/start.js";

interface Call {
  readonly messages: number;
  readonly seconds: number;
  /** How long the "Go offline" button lasts. @defaultValue 3 */
  readonly offlineSeconds?: number;
}

/** A request of the page that asks the MCP server to resume the call. */
interface Resume {
  /** Which life of the page sent it: 1 before the first reload. */
  readonly life: number;
  /** The cursor, as it went over the wire. */
  readonly lastEventId: string;
  readonly url: string;
}

/** What the SDK's server names the session's standalone stream, which is resumed too and carries no messages here. */
const STANDALONE_STREAM = "_GET_stream";

/** The demo in a browser: its buttons, and the list in which its handlers keep what arrived, as it arrived. */
export class DemoPage {
  readonly page: Page;
  readonly demo: Demo;
  /** Every attempt to resume the call, of all lives of the page, in order. */
  readonly resumes: Resume[] = [];

  readonly start: Locator;
  readonly stop: Locator;
  readonly drop: Locator;
  readonly offline: Locator;
  readonly status: Locator;
  readonly outcome: Locator;
  readonly reconnects: Locator;

  constructor(page: Page, demo: Demo) {
    this.page = page;
    this.demo = demo;
    this.start = page.getByRole("button", { name: "Start" });
    this.stop = page.getByRole("button", { name: "Stop" });
    this.drop = page.getByRole("button", { name: "Drop" });
    this.offline = page.getByRole("button", { name: /^Go (offline|online)/ });
    this.status = page.locator("#status");
    this.outcome = page.locator("#outcome");
    this.reconnects = page.locator("#reconnects");
    let life = 0;
    page.on("framenavigated", () => life++);
    page.on("request", (request) => {
      const lastEventId = request.headers()["last-event-id"];
      if (lastEventId === undefined || lastEventId.includes(STANDALONE_STREAM)) return;
      this.resumes.push({ life, lastEventId, url: request.url() });
    });
  }

  async open({ messages, seconds, offlineSeconds = 3 }: Call): Promise<void> {
    const query = `messages=${messages}&seconds=${seconds}&offline=${offlineSeconds}`;
    await this.page.goto(`${this.demo.pageUrl}?${query}`);
  }

  async startCall(): Promise<void> {
    await this.start.click();
    await expect(this.stop).toBeEnabled();
  }

  /** Presses the page's own button, and returns in the next life of the page. */
  async reload(): Promise<void> {
    const loaded = this.page.waitForEvent("load");
    await this.page.getByRole("button", { name: "Reload" }).click();
    await loaded;
  }

  /** The raw list: every message number in the order of arrival, over all lives of the page. */
  arrivals(): Promise<number[]> {
    return this.#stored("arrivals");
  }

  /** The raw list, cut where the page was reloaded. */
  async arrivalsByLife(): Promise<number[][]> {
    const arrivals = await this.arrivals();
    const starts = [0, ...(await this.#stored("reloads")), arrivals.length];
    return starts.slice(1).map((end, index) => arrivals.slice(starts[index], end));
  }

  async waitForArrivals(count: number): Promise<void> {
    await expect.poll(async () => (await this.arrivals()).length).toBeGreaterThanOrEqual(count);
  }

  async expectResult(messages: number): Promise<void> {
    await expect(this.outcome).toHaveText(`Counted to ${messages}.`);
    await expect(this.outcome).toHaveAttribute("data-kind", "result");
  }

  /** How often the server has run the tool, for all pages of this worker. */
  async executions(): Promise<number> {
    const response = await this.page.request.get(new URL("/control/state", this.demo.pageUrl).href);
    const state = (await response.json()) as { executions: number };
    return state.executions;
  }

  #stored(key: string): Promise<number[]> {
    return this.page.evaluate((name) => JSON.parse(sessionStorage.getItem(name) ?? "[]") as number[], key);
  }
}

/** The numbers from one to another, both included. */
export function numbers(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => from + index);
}

/**
 * The message that an event id of a call's stream stands for; 0 for none yet. The id begins with the event's place
 * in the stream, whose first event primes it and carries no message.
 */
export function messageAt(eventId: string): number {
  const place = /^\d+/.exec(eventId);
  if (place === null) throw new Error(`Not an event id: ${eventId}`);
  return Number(place[0]) - 1;
}
