// Opens the page that makes calls, and reads what they came to.
import type { Page } from "@playwright/test";

import type { CallState } from "../programs/calls-client.js";
import { type CallsServer, serveCalls } from "./calls-server.js";

/** Serves a page that makes calls. */
export function serveCallsPage(): Promise<CallsServer> {
  return serveCalls({ page: "calls-page.ts" });
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
