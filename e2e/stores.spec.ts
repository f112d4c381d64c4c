// Tests the IndexedDB store in a real browser: tabs, workers, frames and the back/forward cache.
import { type Browser, expect, test as base } from "@playwright/test";

import { ordinaryBrowser } from "./support/ordinary-browser.js";
import { EMPTY_PAGE } from "./support/page-server.js";
import { acquire, duplicate, ready, save, serveStorePage } from "./support/store-page.js";

/** Resolves to this computer, and is no secure context: there are no Web Locks. */
const PLAIN_HOST = "plain.test";

interface Fixtures {
  readonly origin: string;
  /** The same pages on a host name that is not this computer's own to the browser. */
  readonly plainOrigin: string;
  /** With its back/forward cache, and with the plain host's name. */
  readonly ordinaryBrowser: Browser;
}

const test = base.extend<Fixtures, { readonly port: number }>({
  port: [
    // eslint-disable-next-line no-empty-pattern
    async ({}, use) => {
      const server = await serveStorePage();
      await use(server.port);
      await server.close();
    },
    { scope: "worker" },
  ],
  origin: ({ port }, use) => use(`http://127.0.0.1:${port}/`),
  plainOrigin: ({ port }, use) => use(`http://${PLAIN_HOST}:${port}/`),
  ordinaryBrowser: ordinaryBrowser(`--host-resolver-rules=MAP ${PLAIN_HOST} 127.0.0.1`),
});

test("a reloaded tab gets its own state back, and two tabs differ", async ({ context, page, origin }) => {
  await page.goto(origin);
  expect(await acquire(page)).toEqual({ record: null });
  await save(page, { of: "first tab" });

  const second = await context.newPage();
  await second.goto(origin);
  expect(await acquire(second)).toEqual({ record: null });
  await save(second, { of: "second tab" });

  for (let round = 0; round < 3; round++) {
    await Promise.all([page.reload(), second.reload()]);
    expect(await Promise.all([acquire(page), acquire(second)])).toEqual([
      { record: { of: "first tab" } },
      { record: { of: "second tab" } },
    ]);
  }
});

test("a duplicated tab does not take its parent's state, and keeps its own", async ({ page, origin }) => {
  await page.goto(origin);
  await acquire(page);
  await save(page, { of: "parent" });

  const copy = await duplicate(page);
  expect(await acquire(copy)).toEqual({ record: null });
  await save(copy, { of: "copy" });
  await page.reload();
  expect(await acquire(page)).toEqual({ record: { of: "parent" } });
  await page.close();
  await copy.reload();
  expect(await acquire(copy)).toEqual({ record: { of: "copy" } });
});

test("a new tab goes on with what a closed tab left", async ({ context, page, origin }) => {
  await page.goto(origin);
  await acquire(page);
  await save(page, { of: "closed tab" });
  const next = await context.newPage();
  await next.goto(origin);
  await page.close();
  await expect(async () => {
    await next.reload();
    expect(await acquire(next)).toEqual({ record: { of: "closed tab" } });
  }).toPass();
});

test("a worker gets the state of its name back when it starts again", async ({ page, origin }) => {
  await page.goto(origin);
  await ready(page);
  const ask = (command: "acquire" | "save", argument: unknown) =>
    page.evaluate(([name, given]) => storePage.askWorker(name, given), [command, argument] as const);
  const named = { slotName: "sync" };
  await page.evaluate(() => storePage.restartWorker());
  expect(await ask("acquire", named)).toEqual({ record: null });
  await ask("save", { of: "worker" });

  expect(await acquire(page)).toEqual({ record: null });
  await page.evaluate(() => storePage.restartWorker());
  expect(await ask("acquire", named)).toEqual({ record: { of: "worker" } });
});

test("a sandboxed frame without storage is told that there is none", async ({ page, origin }) => {
  await page.goto(origin);
  await page.evaluate(() => {
    const frame = document.createElement("iframe");
    frame.setAttribute("sandbox", "allow-scripts");
    frame.src = "/frame";
    document.body.append(frame);
  });
  await expect.poll(() => page.frames().length).toBe(2);
  const [, frame] = page.frames();
  await frame?.waitForFunction(() => "storePage" in globalThis);
  expect(await frame?.evaluate(() => storePage.acquire())).toEqual({
    error: "state-unavailable",
    cause: "SecurityError",
  });
});

test("a page keeps its slot in the back/forward cache while another tab starts", async ({
  ordinaryBrowser,
  origin,
}) => {
  // The browser may drop a page from the cache for reasons of its own, as when memory is short.
  await expect(async () => {
    const context = await ordinaryBrowser.newContext();
    const page = await context.newPage();
    await page.goto(origin);
    await acquire(page);
    await save(page, { of: "first page" });
    await page.goto(`${origin}${EMPTY_PAGE}`);

    const other = await context.newPage();
    await other.goto(origin);
    expect(await acquire(other)).toEqual({ record: null });

    await page.goBack({ waitUntil: "commit" });
    await ready(page);
    await expect.poll(() => page.evaluate(() => storePage.returned), { timeout: 5000 }).toBe(true);
    await save(page, { of: "first page, shown again" });
    await page.reload();
    expect(await acquire(page)).toEqual({ record: { of: "first page, shown again" } });
    await context.close();
  }).toPass({ timeout: 50_000 });
});

test("the next page of a tab goes on with the state at once, and so does the first when one goes back", async ({
  ordinaryBrowser,
  origin,
}) => {
  const page = await ordinaryBrowser.newPage();
  await page.goto(origin);
  await acquire(page);
  await save(page, { n: 1 });

  await page.goto(`${origin}second`);
  // If the page before kept its lock, this would time out.
  expect(await acquire(page, { waitMs: 60_000 })).toEqual({ record: { n: 1 } });
  await save(page, { n: 2 });
  await page.goBack({ waitUntil: "commit" });
  expect(await acquire(page, { waitMs: 60_000 })).toEqual({ record: { n: 2 } });
});

test("without Web Locks a tab keeps its state over reloads, and no other tab gets it", async ({
  ordinaryBrowser,
  plainOrigin,
}) => {
  const context = await ordinaryBrowser.newContext();
  const page = await context.newPage();
  await page.goto(plainOrigin);
  expect(await page.evaluate(() => "locks" in navigator)).toBe(false);
  await acquire(page);
  await save(page, { of: "parent" });
  const copy = await duplicate(page);
  expect(await acquire(copy)).toEqual({ record: null });
  for (let round = 0; round < 3; round++) {
    await page.reload();
    expect(await acquire(page)).toEqual({ record: { of: "parent" } });
  }
  await page.close();
  const next = await context.newPage();
  await next.goto(plainOrigin);
  expect(await acquire(next)).toEqual({ record: null });
});
