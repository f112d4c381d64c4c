/** What the environment knows of the network. A hint: truth comes from an attempt. */
export interface Wake {
  readonly isOffline: () => boolean;
  /** Calls back when it may be worth trying again: online, back in view, back from the back/forward cache. */
  readonly subscribe: (listener: () => void) => () => void;
}

const EVENTS = ["online", "pageshow"] as const;

/** The hints of a page or a worker; nothing at all where there are none, as in Node. */
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
      return () => {
        for (const type of EVENTS) scope.removeEventListener?.(type, listener);
        scope.document?.removeEventListener("visibilitychange", onVisible);
      };
    },
  };
}
