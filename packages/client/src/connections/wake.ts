// Tells waiting streams when a retry may succeed: the network, page or device is back, or another stream of the
// transport has connected.
/** What the environment knows of the network. A hint: truth comes from an attempt. */
export interface Wake {
  readonly isOffline: () => boolean;
  /** Calls back when it may be worth trying again: online, back in view or from the back/forward cache, awake. */
  readonly subscribe: (listener: () => void) => () => void;
}

const WAKE_EVENTS = ["online", "pageshow"] as const;

/** The hints of a page or a worker; in Node, only that the device woke up. */
export function environmentWake(): Wake {
  const scope = globalThis as Partial<Pick<Window, "addEventListener" | "removeEventListener" | "document">>;
  const navigator = globalThis.navigator as { onLine?: boolean } | undefined;
  return {
    isOffline: () => navigator?.onLine === false,
    subscribe(listener) {
      const onVisible = (): void => {
        if (scope.document?.visibilityState === "visible") listener();
      };
      for (const type of WAKE_EVENTS) scope.addEventListener?.(type, listener);
      scope.document?.addEventListener("visibilitychange", onVisible);
      const unsubscribe = onAwake(listener);
      return () => {
        unsubscribe();
        for (const type of WAKE_EVENTS) scope.removeEventListener?.(type, listener);
        scope.document?.removeEventListener("visibilitychange", onVisible);
      };
    },
  };
}

/** How often the clocks are compared, and how far apart they must be for a sleep, in milliseconds. */
const LOOK_MS = 5_000;

/**
 * Calls back soon after the device woke up. No event says so, neither in Node nor to a page in view. But after a sleep
 * the wall clock is ahead of the monotonic one. Where that one counts sleep too, as on Windows, timers do as well, and
 * nothing waits longer than it should.
 *
 * @returns how to stop
 */
export function onAwake(listener: () => void): () => void {
  const clocks = (): number => Date.now() - performance.now();
  let before = clocks();
  const timer = setInterval(() => {
    const now = clocks();
    const jumpedMs = now - before;
    before = now;
    if (jumpedMs >= LOOK_MS) listener();
  }, LOOK_MS);
  return () => clearInterval(timer);
}

/** Over how long the attempts of several streams are spread, in milliseconds. */
const SPREAD_MS = 100;

/** What wakes the streams of one transport: its environment, and one another. */
export interface SharedWake extends Wake {
  /** A stream got through: soon after, those that wait try again. */
  readonly gotThrough: () => void;
}

/** Has the streams of one transport wake one another: when one gets through, the network is there for all. */
export function shareWake(wake: Wake, random: () => number): SharedWake {
  const waiting = new Set<() => void>();
  return {
    isOffline: wake.isOffline,
    subscribe(listener) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const soon = (): void => void (timer ??= setTimeout(listener, random() * SPREAD_MS));
      const unsubscribe = wake.subscribe(listener);
      waiting.add(soon);
      return () => {
        clearTimeout(timer);
        waiting.delete(soon);
        unsubscribe();
      };
    },
    gotThrough: () => waiting.forEach((soon) => soon()),
  };
}
