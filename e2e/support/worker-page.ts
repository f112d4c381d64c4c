// Opens the page whose calls are made by a worker, restarts that worker, and reads what arrived.
import type { Page } from "@playwright/test";

import type { CallState } from "../programs/calls-client.js";
import type { WorkerKind } from "../programs/worker-page.js";
import { type CallsServer, serveCalls } from "./calls-server.js";

export const WORKERS: readonly WorkerKind[] = ["dedicated worker", "service worker"];

/** Serves a page whose calls are made by a worker. */
export function serveWorkerPage(): Promise<CallsServer> {
  return serveCalls({ page: "worker-page.ts", worker: "calls-worker.ts" });
}

/** Opens the page, and starts and connects its worker. */
export async function openWorker(page: Page, url: string, kind: WorkerKind): Promise<void> {
  await page.goto(url);
  await page.waitForFunction(() => "workerPage" in globalThis);
  await page.evaluate(async (given) => workerPage.open(given), kind);
  await page.evaluate(() => workerPage.ask("connect"));
}

/** Ends the worker in the middle of whatever it does; the next question finds one that has just been started. */
export async function restartWorker(page: Page, kind: WorkerKind): Promise<void> {
  if (kind === "dedicated worker") {
    await page.evaluate(() => workerPage.restart());
    return;
  }
  const browser = await page.context().newCDPSession(page);
  await browser.send("ServiceWorker.enable");
  await browser.send("ServiceWorker.stopAllWorkers");
  await browser.detach();
}

export async function callsIn(page: Page): Promise<readonly CallState[]> {
  const { calls } = await page.evaluate(() => workerPage.ask("state"));
  return calls;
}

/** The numbers that arrived, by the worker's lives. */
export async function arrivalsByLife(page: Page): Promise<readonly (readonly number[])[]> {
  const arrivals = await page.evaluate(() => workerPage.arrivals);
  const lives = [...new Set(arrivals.map(({ life }) => life))];
  return lives.map((of) => arrivals.filter(({ life }) => life === of).map(({ progress }) => progress));
}
