import { describe, expect, test, vi } from "vitest";
import type { EventLog } from "../src/log/event-log.js";
import { memoryLog } from "../src/logs/memory.js";
import { LimitedLog } from "../src/store/time-limited-log.js";
import { pause } from "./support/caller.js";

const RETENTION = { maxEvents: null, maxBytes: null, ttlMs: null, headTtlMs: null };

const never = <T>(): Promise<T> => new Promise<T>(() => undefined);

function hangingLog(): EventLog {
  const subscribe = (): (() => void) => () => undefined;
  return { append: never, read: never, end: never, delete: never, close: never, subscribe };
}

describe("the time limit of a store's log", () => {
  test("holds for each call by itself, and comes at most a tenth late", async () => {
    vi.useFakeTimers();
    try {
      const limitMs = 400;
      const log = new LimitedLog(hangingLog(), limitMs);
      const took: number[] = [];
      for (let call = 0; call < 10; call += 1) {
        const startedAt = performance.now();
        void log.append("s", "x", RETENTION).then(() => took.push(performance.now() - startedAt));
        await vi.advanceTimersByTimeAsync(13);
      }
      await vi.advanceTimersByTimeAsync(2 * limitMs);
      expect(took).toHaveLength(10);
      expect(Math.min(...took)).toBeGreaterThanOrEqual(limitMs);
      expect(Math.max(...took)).toBeLessThanOrEqual(limitMs * 1.1);
    } finally {
      vi.useRealTimers();
    }
  });

  test("takes one timer, whatever the number of calls, and none that keeps the process alive", async () => {
    const setTimer = vi.spyOn(globalThis, "setTimeout");
    const log = new LimitedLog(hangingLog(), 100);
    const calls = Array.from({ length: 1_000 }, () => log.append("s", "x", RETENTION));
    expect(setTimer).toHaveBeenCalledTimes(1);
    expect(setTimer.mock.results[0]?.value).toMatchObject({ hasRef: expect.any(Function) as unknown });
    expect((setTimer.mock.results[0]?.value as { hasRef(): boolean }).hasRef()).toBe(false);
    setTimer.mockRestore();
    // What keeps this test alive while it waits.
    await pause(150);
    for (const appended of await Promise.all(calls)) {
      expect(appended).toMatchObject({ error: { code: "timeout" }, isUncertain: true });
    }
  });

  test("leaves no timer behind when the log answers", async () => {
    const setTimer = vi.spyOn(globalThis, "setTimeout");
    const log = new LimitedLog(memoryLog(), 40);
    for (let call = 0; call < 100; call += 1) await log.append("s", "x", RETENTION);
    await pause(60);
    const before = setTimer.mock.calls.length;
    await pause(60);
    // The pause's own.
    expect(setTimer.mock.calls.length - before).toBe(1);
    setTimer.mockRestore();
  });

  test("ends a read with its signal", async () => {
    const abort = new AbortController();
    const reading = new LimitedLog(hangingLog(), 60_000).read("s", 0, 1, abort.signal);
    abort.abort(new Error("enough"));
    await expect(reading).rejects.toThrow("enough");
  });

  test("is none on subscriptions, which are passed on", async () => {
    const inner = memoryLog();
    const log = new LimitedLog(inner, 1_000);
    const wake = vi.fn();
    const unsubscribe = log.subscribe("s", wake);
    await inner.append("s", "x", RETENTION);
    await vi.waitFor(() => expect(wake).toHaveBeenCalledTimes(1));
    unsubscribe();
    await inner.append("s", "x", RETENTION);
    await pause(1);
    expect(wake).toHaveBeenCalledTimes(1);
    await inner.close();
    expect(() => log.subscribe("s", wake)).toThrow(expect.objectContaining({ code: "closed" }));
  });
});
