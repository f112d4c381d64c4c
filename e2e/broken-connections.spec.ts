// Tests that the demo's call survives dropped sockets and outages.
import { numbers } from "./support/demo-page.js";
import { expect, test } from "./support/fixtures.js";

const CALL = { messages: 80, seconds: 8 };

test("a call whose sockets are destroyed twice delivers every message once and in order", async ({
  demoPage,
}) => {
  await demoPage.open(CALL);
  const executions = await demoPage.executions();
  await demoPage.startCall();

  for (const arrivals of [10, 40]) {
    await demoPage.waitForArrivals(arrivals);
    const resumes = demoPage.resumes.length;
    await demoPage.drop.click();
    await expect(demoPage.page.getByText(/The server destroyed [1-9]\d* sockets?/).last()).toBeVisible();
    await expect.poll(() => demoPage.resumes.length).toBeGreaterThan(resumes);
  }

  await demoPage.expectResult(CALL.messages);
  expect(await demoPage.arrivals()).toEqual(numbers(1, CALL.messages));
  await expect(demoPage.reconnects).toHaveText("2");
  expect(await demoPage.executions()).toBe(executions + 1);
});

test("a call that goes offline halfway delivers every message once and in order", async ({ demoPage }) => {
  await demoPage.open(CALL);
  const executions = await demoPage.executions();
  await demoPage.startCall();

  await demoPage.waitForArrivals(10);
  await demoPage.offline.click();
  await expect(demoPage.offline).toHaveAttribute("aria-pressed", "true");
  await expect(demoPage.status).toContainText("Reconnecting in");
  const before = (await demoPage.arrivals()).length;

  await demoPage.expectResult(CALL.messages);
  expect(before).toBeLessThan(CALL.messages);
  expect(await demoPage.arrivals()).toEqual(numbers(1, CALL.messages));
  expect(demoPage.resumes.length).toBeGreaterThan(1);
  expect(await demoPage.executions()).toBe(executions + 1);
});

test("a call that ends while the page is offline delivers the rest and the result afterwards", async ({
  demoPage,
}) => {
  const call = { messages: 40, seconds: 2, offlineSeconds: 4 };
  await demoPage.open(call);
  await demoPage.startCall();

  await demoPage.waitForArrivals(5);
  await demoPage.offline.click();

  await demoPage.expectResult(call.messages);
  expect(await demoPage.arrivals()).toEqual(numbers(1, call.messages));
});

test("a stopped call ends at once, and the next one begins at 1", async ({ demoPage }) => {
  await demoPage.open({ messages: 20, seconds: 2 });
  await demoPage.startCall();
  await demoPage.waitForArrivals(3);
  await demoPage.stop.click();
  await expect(demoPage.outcome).toContainText("You stopped it");

  await demoPage.startCall();
  await demoPage.expectResult(20);
  expect(await demoPage.arrivals()).toEqual(numbers(1, 20));
});
