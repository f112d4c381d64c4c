import { onAwake } from "./device-sleep.js";

/** What the environment knows of the network. A hint: truth comes from an attempt. */
export interface Wake {
  readonly isOffline: () => boolean;
  /** Calls back when it may be worth trying again: online, back in view or from the back/forward cache, awake. */
  readonly subscribe: (listener: () => void) => () => void;
}

const EVENTS = ["online", "pageshow"] as const;

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
      for (const type of EVENTS) scope.addEventListener?.(type, listener);
      scope.document?.addEventListener("visibilitychange", onVisible);
      const unsubscribe = onAwake(listener);
      return () => {
        unsubscribe();
        for (const type of EVENTS) scope.removeEventListener?.(type, listener);
        scope.document?.removeEventListener("visibilitychange", onVisible);
      };
    },
  };
}
