import type { Page } from "@playwright/test";

import { type CallsClient, type CallsServer, type CallState, serveCalls } from "./calls-client.js";

export const WORKERS = ["dedicated worker", "service worker"] as const;
export type WorkerKind = (typeof WORKERS)[number];

/** A message that reached a client in a worker. */
export interface Arrival {
  /** The worker's own id: each time it is started it has another. */
  readonly life: string;
  readonly progress: number;
}

interface WorkerPage {
  open(kind: WorkerKind): Promise<void>;
  /** Ends a dedicated worker and starts it again. The browser does that to a service worker. */
  restart(): void;
  ask(command: "connect" | "start" | "goOn", ...given: number[]): Promise<void>;
  state(): Promise<Pick<CallsClient, "calls" | "errors">>;
  /** What arrived in all of the worker's lives, in order. */
  readonly arrivals: readonly Arrival[];
}

declare global {
  var workerPage: WorkerPage;
}

const WORKER = `
  import { createCallsClient } from "/calls-client.js";
  import { indexedDBStore } from "/dist/stores/indexeddb/indexeddb-store.js";
  import { offer } from "/remote.js";
  const life = crypto.randomUUID();
  const page = new BroadcastChannel("arrivals");
  const client = createCallsClient(indexedDBStore({ slotName: "calls" }), (progress) => page.postMessage({ life, progress }));
  const { calls, errors } = client;
  offer({ ...client, state: () => ({ calls, errors }) });
`;

const PAGE = `
  import { ask } from "/remote.js";
  const arrivals = [];
  const channel = new BroadcastChannel("arrivals");
  channel.onmessage = ({ data }) => arrivals.push(data);
  let worker;
  const start = () => (worker = new Worker("/worker.js", { type: "module" }));
  globalThis.workerPage = {
    arrivals,
    async open(kind) {
      if (kind === "dedicated worker") return void start();
      await navigator.serviceWorker.register("/worker.js", { type: "module" });
      worker = (await navigator.serviceWorker.ready).active;
    },
    restart() {
      worker.terminate();
      start();
    },
    ask: (command, ...given) => ask(worker, command, ...given),
    state: () => ask(worker, "state"),
  };
`;

/** Serves a page whose calls are made by a worker. */
export function serveWorkerPage(): Promise<CallsServer> {
  return serveCalls({ "/page.js": PAGE, "/worker.js": WORKER });
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
  const { calls } = await page.evaluate(() => workerPage.state());
  return calls;
}

/** The numbers that arrived, by the worker's lives. */
export async function arrivalsByLife(page: Page): Promise<readonly (readonly number[])[]> {
  const arrivals = await page.evaluate(() => workerPage.arrivals);
  const lives = [...new Set(arrivals.map(({ life }) => life))];
  return lives.map((of) => arrivals.filter(({ life }) => life === of).map(({ progress }) => progress));
}
