// Tests that a call goes on when its page is reloaded in the middle of it.
import { DemoPage, messageAt, numbers } from "./support/demo-page.js";
import { expect, test } from "./support/fixtures.js";

const CALL = { messages: 80, seconds: 8 };

/**
 * Checks the raw list of a call during which the page was reloaded once: nothing missing, everything in order, and
 * repeats only above the cursor that the first life had saved, which is the one that the second life resumed from.
 */
async function expectWholeAfterOneReload(demoPage: DemoPage, messages: number): Promise<void> {
  const lives = await demoPage.arrivalsByLife();
  const [before = [], after = []] = lives;
  const resume = demoPage.resumes.find(({ life }) => life === 2);
  if (resume === undefined) throw new Error("The page's second life did not resume the call.");
  const saved = messageAt(resume.lastEventId);

  expect(lives).toHaveLength(2);
  expect(before).toEqual(numbers(1, before.length));
  expect(saved).toBeLessThanOrEqual(before.length);
  expect(after).toEqual(numbers(saved + 1, messages));
}

test("a call goes on after a reload in the middle, and nothing is missing", async ({ demoPage }) => {
  await demoPage.open(CALL);
  const executions = await demoPage.executions();
  await demoPage.startCall();
  await demoPage.waitForArrivals(20);

  await demoPage.reload();
  await expect(demoPage.stop).toBeEnabled();
  await demoPage.expectResult(CALL.messages);

  await expectWholeAfterOneReload(demoPage, CALL.messages);
  expect(await demoPage.executions()).toBe(executions + 1);
});

test("one call survives dropped sockets, an outage and a reload during the outage", async ({ demoPage }) => {
  // However long the reload takes, it ends within the outage, and the call after it.
  const call = { messages: 200, seconds: 20, offlineSeconds: 60 };
  await demoPage.open(call);
  const executions = await demoPage.executions();
  await demoPage.startCall();

  await demoPage.waitForArrivals(10);
  await demoPage.drop.click();
  await expect(demoPage.reconnects).toHaveText("1");
  await demoPage.waitForArrivals(25);
  await demoPage.offline.click();
  await expect(demoPage.status).toContainText("Reconnecting in");
  await demoPage.reload();
  await expect(demoPage.offline).toHaveAttribute("aria-pressed", "true");
  await demoPage.offline.click();
  await expect(demoPage.offline).toHaveAttribute("aria-pressed", "false");
  const seen = (await demoPage.arrivals()).length;
  await demoPage.waitForArrivals(seen + 1);
  await demoPage.drop.click();

  await demoPage.expectResult(call.messages);
  await expectWholeAfterOneReload(demoPage, call.messages);
  expect(await demoPage.executions()).toBe(executions + 1);
});

test("a reload after the end shows the finished call again and calls nothing", async ({ demoPage }) => {
  await demoPage.open({ messages: 10, seconds: 1 });
  // Not as the other tests do, which wait to see the call run: it may have ended by then.
  await demoPage.start.click();
  await demoPage.expectResult(10);
  const executions = await demoPage.executions();

  await demoPage.reload();
  await expect(demoPage.start).toBeEnabled();
  await demoPage.expectResult(10);
  await expect(demoPage.page.locator("#messages li[data-state=arrived]")).toHaveCount(10);
  expect(await demoPage.arrivals()).toEqual(numbers(1, 10));
  expect(await demoPage.executions()).toBe(executions);
});

test("a new tab goes on with the call of a tab that was closed, and shows its result", async ({
  context,
  demoPage,
}) => {
  await demoPage.open(CALL);
  const executions = await demoPage.executions();
  await demoPage.startCall();
  await demoPage.waitForArrivals(20);
  await demoPage.page.close();

  const next = new DemoPage(await context.newPage(), demoPage.demo);
  await next.open(CALL);
  await next.expectResult(CALL.messages);

  const arrivals = await next.arrivals();
  const [first = 0] = arrivals;
  expect(first).toBeGreaterThan(1);
  expect(arrivals).toEqual(numbers(first, CALL.messages));
  // What the closed tab had is not missing.
  await expect(next.page.locator("#missing")).toHaveText("0");
  await expect(next.page.locator("#progress-text")).toHaveText(`${arrivals.length} of ${CALL.messages}`);
  expect(await next.executions()).toBe(executions + 1);
});
