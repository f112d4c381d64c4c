// Tests clients that run in a dedicated worker or in a service worker.
import { expect, test as base } from "@playwright/test";

import type { CallsServer } from "./support/calls-server.js";
import { numbers } from "./support/demo-page.js";
import {
  arrivalsByLife,
  callsIn,
  openWorker,
  restartWorker,
  serveWorkerPage,
  WORKERS,
} from "./support/worker-page.js";

const MESSAGES = 60;
const SECONDS = 3;

const test = base.extend<{ readonly server: CallsServer }>({
  // eslint-disable-next-line no-empty-pattern
  server: async ({}, use) => {
    const server = await serveWorkerPage();
    await use(server);
    await server.close();
  },
});

for (const kind of WORKERS) {
  test(`in a ${kind} a call whose connection is dropped delivers every message once and in order`, async ({
    page,
    server,
  }) => {
    await openWorker(page, server.url, kind);
    await page.evaluate(([messages, seconds]) => workerPage.ask("start", 1, messages, seconds), [
      MESSAGES,
      SECONDS,
    ] as const);
    await expect.poll(async () => (await callsIn(page))[0]?.arrivals.length).toBeGreaterThan(10);
    const resumes = server.resumes();
    server.drop();

    const finished = { arrivals: numbers(1, MESSAGES), outcome: `Counted to ${MESSAGES}.` };
    await expect.poll(() => callsIn(page)).toEqual([finished]);
    expect(server.resumes()).toBeGreaterThan(resumes);
    expect(server.executions()).toBe(1);
    expect((await page.evaluate(() => workerPage.ask("state"))).errors).toEqual([]);
  });

  test(`a ${kind} that is ended and started again goes on with its call`, async ({ page, server }) => {
    await openWorker(page, server.url, kind);
    await page.evaluate(([messages, seconds]) => workerPage.ask("start", 1, messages, seconds), [
      MESSAGES,
      SECONDS,
    ] as const);
    await expect.poll(async () => (await arrivalsByLife(page))[0]?.length).toBeGreaterThan(10);
    await restartWorker(page, kind);
    await page.evaluate(() => workerPage.ask("connect"));
    await page.evaluate(() => workerPage.ask("goOn"));

    await expect
      .poll(async () => (await callsIn(page)).map(({ outcome }) => outcome))
      .toEqual([`Counted to ${MESSAGES}.`]);
    const lives = await arrivalsByLife(page);
    const [before = [], after = []] = lives;
    expect(lives).toHaveLength(2);
    expect(before).toEqual(numbers(1, before.length));
    expect(after).toEqual(numbers(after[0] ?? 0, MESSAGES));
    expect(after[0]).toBeLessThanOrEqual(before.length + 1);
    expect(server.executions()).toBe(1);
  });
}
