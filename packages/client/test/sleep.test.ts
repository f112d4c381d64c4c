import { getEventListeners } from "node:events";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { sleep } from "../src/wait/abortable.js";

/** Something that can wake sleepers, and knows how many there are. */
function bell(): {
  ring: () => void;
  subscribe: (listener: () => void) => () => void;
  listeners: Set<() => void>;
} {
  const listeners = new Set<() => void>();
  return {
    listeners,
    ring: () => listeners.forEach((listener) => listener()),
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

describe("sleep", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("waits as long as it was told, and says that nobody woke it", async () => {
    const settled = vi.fn();
    const done = sleep(1000, new AbortController().signal).then(settled);
    await vi.advanceTimersByTimeAsync(999);
    expect(settled).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    await done;
    expect(settled).toHaveBeenCalledWith(false);
  });

  it("ends early when it is woken, and says so", async () => {
    const { listeners, ring, subscribe } = bell();
    const done = sleep(60_000, new AbortController().signal, subscribe);
    ring();
    expect(await done).toBe(true);
    expect(listeners.size).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("rejects with the signal's reason at once, and leaves no timer and no listener", async () => {
    const { listeners, subscribe } = bell();
    const abort = new AbortController();
    const done = sleep(60_000, abort.signal, subscribe);
    abort.abort(new Error("enough"));
    await expect(done).rejects.toThrow("enough");
    expect(listeners.size).toBe(0);
    expect(getEventListeners(abort.signal, "abort")).toHaveLength(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("does not begin when the signal is aborted already", async () => {
    const subscribe = vi.fn(() => () => undefined);
    await expect(sleep(1, AbortSignal.abort(new Error("enough")), subscribe)).rejects.toThrow("enough");
    expect(subscribe).not.toHaveBeenCalled();
    expect(vi.getTimerCount()).toBe(0);
  });

  it("leaves no listener behind when it ends by itself", async () => {
    const { listeners, subscribe } = bell();
    const abort = new AbortController();
    const done = sleep(10, abort.signal, subscribe);
    await vi.advanceTimersByTimeAsync(10);
    await done;
    expect(listeners.size).toBe(0);
    expect(getEventListeners(abort.signal, "abort")).toHaveLength(0);
  });
});
