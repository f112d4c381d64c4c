import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { onAwake } from "../src/connections/wake.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it.each([
  [8 * 3_600_000, 1, "slept for a night"],
  [5000, 1, "slept for as long as a look takes"],
  [4999, 0, "had its clock put right"],
  [-3_600_000, 0, "had its clock set back"],
])("when the wall clock jumps by %i ms, it calls back %i times: the device %s", (jumpMs, times) => {
  const listener = vi.fn();
  const stop = onAwake(listener);
  vi.advanceTimersByTime(12_000);
  vi.setSystemTime(Date.now() + jumpMs);
  vi.advanceTimersByTime(60_000);
  expect(listener).toHaveBeenCalledTimes(times);
  stop();
  expect(vi.getTimerCount()).toBe(0);
});

it("tells of each sleep once", () => {
  const listener = vi.fn();
  const stop = onAwake(listener);
  for (const times of [1, 2, 3]) {
    vi.setSystemTime(Date.now() + 60_000);
    vi.advanceTimersByTime(10_000);
    expect(listener).toHaveBeenCalledTimes(times);
  }
  stop();
});
