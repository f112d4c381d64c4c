import type { Page } from "@playwright/test";
import type { IndexedDBStoreOptions } from "@resumable-mcp/client/stores/indexeddb";

import { type PageServer, servePages } from "./page-server.js";

/** What acquiring a slot came to. */
export interface Acquired {
  readonly record?: unknown;
  readonly error?: string;
  readonly cause?: string;
}

/** What the page's script offers to the test. */
interface StorePage {
  acquire(options?: IndexedDBStoreOptions): Promise<Acquired>;
  save(record: unknown): Promise<void>;
  askWorker(command: "acquire" | "save", argument?: unknown): Promise<Acquired>;
  restartWorker(): void;
  /** Whether this page came back from the back/forward cache. */
  readonly returned: boolean;
}

declare global {
  var storePage: StorePage;
}

const CLIENT = `
  import { indexedDBStore } from "/dist/stores/indexeddb/indexeddb-store.js";
  let slot;
  const scope = { serverUrl: "https://mcp.example/mcp", partition: "" };
  export async function acquire(options) {
    try {
      slot = await indexedDBStore(options).acquire(scope, new AbortController().signal);
      return { record: (await slot.load()) ?? null };
    } catch (error) {
      return { error: error.code, cause: error.cause?.name };
    }
  }
  export const save = (record) => slot.save(record);
`;

const WORKER = `
  import { acquire, save } from "/client.js";
  import { offer } from "/remote.js";
  offer({ acquire, save });
`;

const PAGE_SCRIPT = `
  import { acquire, save } from "/client.js";
  import { ask } from "/remote.js";
  let worker;
  globalThis.storePage = {
    acquire,
    save,
    returned: false,
    restartWorker() {
      worker?.terminate();
      worker = new Worker("/worker.js", { type: "module" });
    },
    askWorker: (command, argument) => ask(worker, command, argument),
  };
  addEventListener("pageshow", ({ persisted }) => (storePage.returned = persisted));
`;

const SCRIPTS: Readonly<Record<string, string>> = {
  "/client.js": CLIENT,
  "/worker.js": WORKER,
  "/page.js": PAGE_SCRIPT,
};

/** Serves pages that use the built IndexedDB store. */
export function serveStorePage(): Promise<PageServer> {
  return servePages({ scripts: SCRIPTS });
}

/** Waits until the page's script runs. */
export async function ready(page: Page): Promise<Page> {
  await page.waitForFunction(() => "storePage" in globalThis);
  return page;
}

export async function acquire(page: Page, options?: IndexedDBStoreOptions): Promise<Acquired> {
  await ready(page);
  return page.evaluate((given) => storePage.acquire(given), options);
}

export async function save(page: Page, record: unknown): Promise<void> {
  await page.evaluate((given) => storePage.save(given), record);
}

/** `window.open`, which starts the new tab with a copy of sessionStorage, as "Duplicate tab" does. */
export async function duplicate(page: Page): Promise<Page> {
  const opened = page.context().waitForEvent("page");
  await page.evaluate(() => void window.open(location.href));
  return ready(await opened);
}
