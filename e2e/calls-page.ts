import type { Page } from "@playwright/test";

import { type CallsClient, type CallsServer, type CallState, serveCalls } from "./calls-client.js";

declare global {
  /** `returned`: whether the page came back from the back/forward cache. */
  var callsPage: CallsClient & { returned: boolean };
}

const PAGE = `
  import { memoryStore } from "/dist/index.js";
  import { createCallsClient } from "/calls-client.js";
  globalThis.callsPage = createCallsClient(memoryStore());
  addEventListener("pageshow", ({ persisted }) => (callsPage.returned = persisted));
`;

/** Serves a page that makes calls. */
export function serveCallsPage(): Promise<CallsServer> {
  return serveCalls({ "/page.js": PAGE });
}

/** Opens the page and connects its client. */
export async function connect(page: Page, url: string, maxConnections?: number): Promise<void> {
  await page.goto(url);
  await page.waitForFunction(() => "callsPage" in globalThis);
  await page.evaluate((max) => callsPage.connect(max), maxConnections);
}

export function callsOf(page: Page): Promise<readonly CallState[]> {
  return page.evaluate(() => callsPage.calls);
}
