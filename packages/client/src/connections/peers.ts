import type { Wake } from "./wake.js";

/** So that twenty streams do not go out in the same millisecond. */
const SPREAD_MS = 100;

/** What wakes the streams of one transport: its environment, and one another. */
export interface Peers extends Wake {
  /** A stream got through: soon after, those that wait try again. */
  readonly gotThrough: () => void;
}

/** Has the streams of one transport wake one another: when one gets through, the network is there for all. */
export function withPeers(wake: Wake, random: () => number): Peers {
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
