import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { environmentWake } from "../src/connections/wake.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

it("in Node, a device that woke up is worth an attempt, and nothing else is known", () => {
  const listener = vi.fn();
  const wake = environmentWake();
  expect(wake.isOffline()).toBe(false);
  const unsubscribe = wake.subscribe(listener);
  vi.setSystemTime(Date.now() + 3_600_000);
  vi.advanceTimersByTime(5000);
  expect(listener).toHaveBeenCalledTimes(1);
  unsubscribe();
  expect(vi.getTimerCount()).toBe(0);
});

describe("in a page", () => {
  /** As much of a page as tells of the network. */
  function page() {
    const window = new EventTarget();
    const document = Object.assign(new EventTarget(), { visibilityState: "hidden" });
    const navigator = { onLine: true };
    vi.stubGlobal("addEventListener", window.addEventListener.bind(window));
    vi.stubGlobal("removeEventListener", window.removeEventListener.bind(window));
    vi.stubGlobal("document", document);
    vi.stubGlobal("navigator", navigator);
    const wake = environmentWake();
    const listener = vi.fn();
    return { window, document, navigator, wake, listener, unsubscribe: wake.subscribe(listener) };
  }

  it.each(["online", "pageshow"])("%s is worth an attempt", (type) => {
    const { listener, unsubscribe, window } = page();
    window.dispatchEvent(new Event(type));
    expect(listener).toHaveBeenCalledTimes(1);
    unsubscribe();
    window.dispatchEvent(new Event(type));
    expect(listener).toHaveBeenCalledTimes(1);
  });

  it("coming into view is worth an attempt, going out of it is not", () => {
    const { document, listener, unsubscribe } = page();
    document.dispatchEvent(new Event("visibilitychange"));
    expect(listener).not.toHaveBeenCalled();
    document.visibilityState = "visible";
    document.dispatchEvent(new Event("visibilitychange"));
    expect(listener).toHaveBeenCalledTimes(1);
    unsubscribe();
    document.dispatchEvent(new Event("visibilitychange"));
    expect(listener).toHaveBeenCalledTimes(1);
  });

  it("it is offline when the browser says so", () => {
    const { navigator, unsubscribe, wake } = page();
    expect(wake.isOffline()).toBe(false);
    navigator.onLine = false;
    expect(wake.isOffline()).toBe(true);
    unsubscribe();
  });
});
