// Tests what the demo's page shows and how it is used.
import { expect, test } from "./support/fixtures.js";

interface LayoutShift extends PerformanceEntry {
  readonly value: number;
  readonly hadRecentInput: boolean;
}

for (const width of [390, 1280]) {
  test(`at ${width} px the page fits and nothing moves while a call runs`, async ({ demoPage }) => {
    const { page } = demoPage;
    await page.setViewportSize({ width, height: 844 });
    await demoPage.open({ messages: 60, seconds: 4, offlineSeconds: 1 });
    await expect(demoPage.start).toBeEnabled();
    await page.evaluate(() => {
      const shifts: number[] = [];
      Object.assign(globalThis, { shifts });
      new PerformanceObserver((list) => {
        // The observer was asked for entries of this kind alone.
        for (const entry of list.getEntries() as LayoutShift[]) shifts.push(entry.value);
      }).observe({ type: "layout-shift" });
    });

    await demoPage.startCall();
    await demoPage.waitForArrivals(10);
    await demoPage.drop.click();
    await demoPage.offline.click();
    await demoPage.expectResult(60);

    const shifts = await page.evaluate(() => (globalThis as unknown as { shifts: number[] }).shifts);
    expect(shifts).toEqual([]);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
  });
}

test("the page says what happens to those who do not see it, and works by keyboard", async ({ demoPage }) => {
  const { page } = demoPage;
  await demoPage.open({ messages: 20, seconds: 2 });
  await expect(demoPage.start).toBeEnabled();
  await demoPage.start.focus();
  await page.keyboard.press("Enter");

  await expect(page.getByRole("status").filter({ hasText: "Counted to 20." })).toBeVisible();
  await expect(page.getByRole("img", { name: "20 of 20 messages, none missing" })).toBeVisible();
  await expect(page.getByRole("progressbar", { name: "The call" })).toHaveAttribute("value", "20");
  await expect(page.locator("[aria-live=polite]")).not.toBeEmpty();
});
