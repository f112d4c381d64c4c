// Tests that a call goes on when its page comes back out of the back/forward cache.
import { type Browser, expect, test as base } from "@playwright/test";

import type { CallsServer } from "./support/calls-server.js";
import { callsOf, connect, serveCallsPage } from "./support/calls-page.js";
import { numbers } from "./support/demo-page.js";
import { ordinaryBrowser } from "./support/ordinary-browser.js";
import { EMPTY_PAGE } from "./support/page-server.js";

const MESSAGES = 80;
const SECONDS = 4;

const test = base.extend<{ readonly server: CallsServer; readonly ordinaryBrowser: Browser }>({
  ordinaryBrowser: ordinaryBrowser(),
  // eslint-disable-next-line no-empty-pattern
  server: async ({}, use) => {
    const server = await serveCallsPage();
    await use(server);
    await server.close();
  },
});

for (const [name, maxConnections] of [
  ["", undefined],
  [", also where connections are not limited", Infinity],
] as const) {
  test(`a call goes on when its page is shown again out of the back/forward cache${name}`, async ({
    ordinaryBrowser,
    server,
  }) => {
    // The browser may drop a page from the cache for reasons of its own, as when memory is short.
    await expect(async () => {
      const before = server.executions();
      const context = await ordinaryBrowser.newContext();
      const page = await context.newPage();
      await connect(page, server.url, maxConnections);
      await page.evaluate(([messages, seconds]) => callsPage.start(1, messages, seconds), [
        MESSAGES,
        SECONDS,
      ] as const);
      await expect.poll(async () => (await callsOf(page))[0]?.arrivals.length).toBeGreaterThan(10);
      const resumes = server.resumes();
      await page.goto(`${server.url}${EMPTY_PAGE}`);
      await page.goBack({ waitUntil: "commit" });
      await page.waitForFunction(() => "callsPage" in globalThis);
      expect(await page.evaluate(() => callsPage.returned)).toBe(true);

      const finished = { arrivals: numbers(1, MESSAGES), outcome: `Counted to ${MESSAGES}.` };
      await expect.poll(() => callsOf(page)).toEqual([finished]);
      expect(await page.evaluate(() => callsPage.errors)).toEqual([]);
      expect(server.executions()).toBe(before + 1);
      if (maxConnections === undefined) expect(server.resumes()).toBeGreaterThan(resumes);
      await context.close();
    }).toPass({ timeout: 50_000 });
  });
}
