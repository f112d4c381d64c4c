import type { EventLog } from "@resumable-mcp/server";

export interface Wake {
  /** Whether the wake-up came, now or within so many milliseconds. */
  within(ms: number): Promise<boolean>;
  /** How often it came so far. */
  count(): number;
  unsubscribe(): void;
}

/** Subscribes, and waits for the wake-up. */
export function nextWake(log: EventLog, stream: string): Wake {
  let count = 0;
  let wakeWaiters: () => void = () => undefined;
  const woken = new Promise<boolean>((resolve) => {
    wakeWaiters = () => resolve(true);
  });
  const unsubscribe = log.subscribe(stream, () => {
    count += 1;
    wakeWaiters();
  });
  return {
    async within(ms) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const tooLate = new Promise<boolean>((resolve) => {
        timer = setTimeout(() => resolve(false), ms);
      });
      try {
        return await Promise.race([woken, tooLate]);
      } finally {
        clearTimeout(timer);
      }
    },
    count: () => count,
    unsubscribe,
  };
}

/** Enough for a busy machine; what comes at all comes in milliseconds. */
export const WAKE_LIMIT_MS = 20_000;
