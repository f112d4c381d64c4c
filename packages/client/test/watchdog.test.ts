import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { DEFAULT_SILENCE_MS } from "../src/options.js";
import { silenceLimit, Watchdog } from "../src/stream/watchdog.js";

describe("silenceLimit", () => {
  it("is the default while the keep-alive rhythm is not known", () => {
    expect(silenceLimit(undefined, DEFAULT_SILENCE_MS)).toBe(45_000);
  });

  it.each([
    [15_000, 45_000],
    [30_000, 90_000],
    [1000, 5000],
    [3_600_000, 300_000],
  ])("of keep-alives each %i ms is %i ms", (pauseMs, limitMs) => {
    expect(silenceLimit(pauseMs, 1)).toBe(limitMs);
  });
});

describe("Watchdog", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  /** Watches one silence of this length. @returns whether the connection was taken for dead. */
  function silence(watchdog: Watchdog, ms: number): boolean {
    watchdog.watch();
    vi.advanceTimersByTime(ms);
    watchdog.rest();
    return watchdog.signal.aborted;
  }

  it("takes a connection for dead that is silent for as long as the limit", () => {
    const watchdog = new Watchdog(45_000);
    expect(silence(watchdog, 44_999)).toBe(false);
    expect(silence(watchdog, 45_000)).toBe(true);
    expect(watchdog.signal.reason).toMatchObject({ message: "The connection was silent for 45000 ms" });
  });

  it("measures nothing while it rests", () => {
    const watchdog = new Watchdog(1000);
    watchdog.watch();
    watchdog.rest();
    vi.advanceTimersByTime(10_000);
    expect(watchdog.signal.aborted).toBe(false);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("watches any number of chunks with one timer, and counts from the last", () => {
    const watchdog = new Watchdog(1000);
    for (let chunk = 0; chunk < 10; chunk += 1) {
      watchdog.watch();
      vi.advanceTimersByTime(900);
      expect(vi.getTimerCount()).toBe(1);
      watchdog.rest();
    }
    expect(silence(watchdog, 999)).toBe(false);
    expect(silence(watchdog, 1000)).toBe(true);
  });

  it("brings the end forward when the rhythm turns out quicker", () => {
    const watchdog = new Watchdog(45_000);
    watchdog.watch();
    watchdog.comment();
    vi.advanceTimersByTime(2000);
    watchdog.comment();
    expect(silence(watchdog, 5999)).toBe(false);
    expect(silence(watchdog, 6000)).toBe(true);
  });

  it("leaves nothing running when it is stopped", () => {
    const watchdog = new Watchdog(1000);
    watchdog.watch();
    watchdog.stop();
    expect(vi.getTimerCount()).toBe(0);
    vi.advanceTimersByTime(1000);
    expect(watchdog.signal.aborted).toBe(false);
  });

  it("counts what the device slept through, within five seconds of its waking up", () => {
    const watchdog = new Watchdog(45_000);
    watchdog.watch();
    vi.setSystemTime(Date.now() + 3_600_000);
    vi.advanceTimersByTime(5000);
    expect(watchdog.signal.aborted).toBe(true);
  });

  it("leaves a connection that a nap did not make silent for too long", () => {
    const watchdog = new Watchdog(45_000);
    watchdog.watch();
    vi.setSystemTime(Date.now() + 30_000);
    expect(silence(watchdog, 10_000)).toBe(false);
  });

  it("is not held up by a clock that is set back", () => {
    const watchdog = new Watchdog(45_000);
    watchdog.watch();
    vi.setSystemTime(Date.now() - 3_600_000);
    vi.advanceTimersByTime(45_000);
    expect(watchdog.signal.aborted).toBe(true);
  });

  it("learns the rhythm from the second keep-alive on", () => {
    const watchdog = new Watchdog(45_000);
    watchdog.comment();
    expect(silence(watchdog, 10_000)).toBe(false);
    watchdog.comment();
    expect(silence(watchdog, 29_999)).toBe(false);
    expect(silence(watchdog, 30_000)).toBe(true);
  });

  it("goes by the longest pause it has seen", () => {
    const watchdog = new Watchdog(45_000);
    for (const pauseMs of [0, 20_000, 5000]) {
      vi.advanceTimersByTime(pauseMs);
      watchdog.comment();
    }
    expect(silence(watchdog, 59_999)).toBe(false);
  });

  it("takes comments in a row for padding and not for a rhythm", () => {
    const watchdog = new Watchdog(45_000);
    for (let n = 0; n < 20; n += 1) watchdog.comment();
    vi.advanceTimersByTime(50);
    watchdog.comment();
    expect(silence(watchdog, 44_999)).toBe(false);
  });
});
