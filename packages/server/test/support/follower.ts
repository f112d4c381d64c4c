import type { EventLog } from "../../src/log/event-log.js";
import { EventStoreError } from "../../src/log/errors.js";

/** What a follower has seen of a stream. */
export interface Follower {
  /** The payloads, in the order in which they came. */
  readonly seen: string[];
  /** How often it was woken. */
  readonly wakes: number;
  readonly stop: () => void;
}

/** Subscribes to a stream, and reads on each time it is woken, one page after the other. */
export function follow(log: EventLog, stream: string): Follower {
  const seen: string[] = [];
  let wakes = 0;
  let isReading = false;
  let isAsked = false;
  const readOn = async () => {
    isAsked = true;
    if (isReading) return;
    isReading = true;
    while (isAsked) {
      isAsked = false;
      const page = await log.read(stream, seen.length, 100);
      seen.push(...(page?.entries ?? []).map(({ payload }) => payload));
      if (page !== undefined && page.head.seq > seen.length) isAsked = true;
    }
    isReading = false;
  };
  const stop = log.subscribe(stream, () => {
    wakes += 1;
    readOn().catch((error: unknown) => {
      // The last wake-up of a log comes when it is closed.
      if (!(error instanceof EventStoreError && error.code === "closed")) throw error;
    });
  });
  return {
    seen,
    stop,
    get wakes() {
      return wakes;
    },
  };
}
