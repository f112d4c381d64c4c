// Opens the page that uses the IndexedDB store, and drives it.
import type { Page } from "@playwright/test";
import type { IndexedDBStoreOptions } from "@resumable-mcp/client/stores/indexeddb";

import type { Acquired } from "../programs/store.js";
import { type PageServer, servePages } from "./page-server.js";

/** Serves pages that use the built IndexedDB store. */
export function serveStorePage(): Promise<PageServer> {
  return servePages({ programs: { page: "store-page.ts", worker: "store-worker.ts" } });
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
