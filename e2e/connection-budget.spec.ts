// Tests that many calls and many tabs share the few connections that a browser gives one origin.
import { expect, test as base } from "@playwright/test";

import type { CallsServer } from "./support/calls-server.js";
import { callsOf, connect, serveCallsPage } from "./support/calls-page.js";
import { numbers } from "./support/demo-page.js";

const MESSAGES = 80;
const SECONDS = 4;

const test = base.extend<{ readonly server: CallsServer }>({
  // eslint-disable-next-line no-empty-pattern
  server: async ({}, use) => {
    const server = await serveCallsPage();
    await use(server);
    await server.close();
  },
});

const finished = (count: number) =>
  Array.from({ length: count }, () => ({
    arrivals: numbers(1, MESSAGES),
    outcome: `Counted to ${MESSAGES}.`,
  }));

test("twenty calls run at once from one page over HTTP/1.1, and a request is answered meanwhile", async ({
  page,
  server,
}) => {
  await connect(page, server.url);
  await page.evaluate(([messages, seconds]) => callsPage.start(20, messages, seconds), [
    MESSAGES,
    SECONDS,
  ] as const);
  await expect.poll(() => server.executions()).toBe(20);
  const endedBeforePing = await page.evaluate(() => callsPage.ping());

  await expect.poll(() => callsOf(page), { timeout: 40_000 }).toEqual(finished(20));
  expect(endedBeforePing).toBe(0);
  expect(server.executions()).toBe(20);
  expect(await page.evaluate(() => callsPage.errors)).toEqual([]);
});

test("without the limit the seventh call waits until another one has ended", async ({ page, server }) => {
  await connect(page, server.url, Infinity);
  await page.evaluate(([messages, seconds]) => callsPage.start(20, messages, seconds), [30, 1.5] as const);
  const endedBeforePing = await page.evaluate(() => callsPage.ping());

  expect(endedBeforePing).toBeGreaterThan(0);
});

test("a client that is closed in the middle of its calls holds no lock and no connection", async ({
  page,
  server,
}) => {
  await connect(page, server.url);
  await page.evaluate(() => callsPage.start(8, 80, 20));
  await expect.poll(() => server.executions()).toBe(8);
  const held = () => page.evaluate(async () => (await navigator.locks.query()).held?.map(({ name }) => name));
  await expect.poll(held).not.toEqual([]);
  await page.evaluate(() => callsPage.close());
  await expect.poll(held).toEqual([]);
  // The page could not be loaded again while six connections are held.
  await connect(page, server.url);
});

test("seven tabs share the browser's connections, and none is starved", async ({ context, server }) => {
  const pages = await Promise.all(Array.from({ length: 7 }, () => context.newPage()));
  await Promise.all(pages.map((page) => connect(page, server.url)));
  await Promise.all(
    pages.map((page) =>
      page.evaluate(([messages, seconds]) => callsPage.start(3, messages, seconds), [
        MESSAGES,
        SECONDS,
      ] as const),
    ),
  );
  await expect.poll(() => server.executions()).toBe(21);

  for (const page of pages) {
    await expect.poll(() => callsOf(page), { timeout: 40_000 }).toEqual(finished(3));
    expect(await page.evaluate(() => callsPage.errors)).toEqual([]);
  }
  expect(server.executions()).toBe(21);
});
