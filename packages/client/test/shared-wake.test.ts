import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { shareWake } from "../src/connections/wake.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const environment = () => {
  const listeners = new Set<() => void>();
  const subscribe = (listener: () => void) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  };
  return { listeners, wake: { isOffline: () => true, subscribe } };
};

describe("streams that wait", () => {
  it("are woken by another one that gets through, each at a time of its own within a tenth of a second", () => {
    let draws = 0;
    const { wake } = environment();
    const shared = shareWake(wake, () => (draws++ % 20) / 20);
    const startedAt = Date.now();
    const woken: number[] = [];
    for (let stream = 0; stream < 20; stream += 1) shared.subscribe(() => woken.push(Date.now() - startedAt));
    shared.gotThrough();
    expect(woken).toEqual([]);
    vi.advanceTimersByTime(100);
    expect(woken).toHaveLength(20);
    expect(new Set(woken).size).toBe(20);
  });

  it("are woken once, however many get through", () => {
    const shared = shareWake(environment().wake, () => 0.5);
    const listener = vi.fn();
    shared.subscribe(listener);
    shared.gotThrough();
    vi.advanceTimersByTime(40);
    shared.gotThrough();
    vi.advanceTimersByTime(1000);
    expect(listener).toHaveBeenCalledTimes(1);
  });

  it("are still woken by the environment, and leave nothing behind when they wait no longer", () => {
    const { listeners, wake } = environment();
    const shared = shareWake(wake, () => 0.5);
    const listener = vi.fn();
    const unsubscribe = shared.subscribe(listener);
    for (const heard of listeners) heard();
    expect(listener).toHaveBeenCalledTimes(1);
    expect(shared.isOffline()).toBe(true);
    shared.gotThrough();
    unsubscribe();
    expect([listeners.size, vi.getTimerCount()]).toEqual([0, 0]);
    shared.gotThrough();
    vi.advanceTimersByTime(1000);
    expect(listener).toHaveBeenCalledTimes(1);
  });
});
