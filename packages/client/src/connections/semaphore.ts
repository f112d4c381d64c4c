import { follow } from "../wait/abortable.js";
import { lock } from "../wait/web-lock.js";

/** Gives back what was taken. Harmless when called again. */
export type Release = () => void;

/** Waits for the lock of a name. Throws `signal.reason` when aborted. */
type Lock = (name: string, signal: AbortSignal) => Promise<Release>;

/** The long-lived connections that all pages of a browser together may hold to one origin. */
export interface Places {
  /** Waits for a place; whoever asked first gets the next one. @throws `signal.reason` when aborted */
  take(signal: AbortSignal): Promise<Release>;
  /**
   * Waits for leave to hold a place without ever giving it up for another stream: half of the places can be held like
   * that, so that the others keep going round. @throws `signal.reason` when aborted
   */
  takeForGood(signal: AbortSignal): Promise<Release>;
}

/** @param locks - shared by all pages of this origin; without it, the places are this object's own */
export function createPlaces(origin: string, count: number, locks: LockManager | undefined): Places {
  const request = locks === undefined ? ownLocks() : sharedLocks(locks);
  const name = (...parts: readonly (string | number)[]): string =>
    JSON.stringify(["resumable-mcp", "connection", origin, ...parts]);
  const numbered = (kind: string, length: number): readonly string[] =>
    Array.from({ length }, (_, place) => name(kind, place));
  const places = numbered("place", count);
  const forGood = numbered("for good", Math.floor(count / 2));
  return {
    async take(signal) {
      // Only the first in the queue waits for the places themselves: locks are granted in the order of asking.
      const leaveQueue = await request(name("queue"), signal);
      try {
        return await firstOf(request, places, signal);
      } finally {
        leaveQueue();
      }
    },
    takeForGood: (signal) => firstOf(request, forGood, signal),
  };
}

/** Waits for any one of the names. */
async function firstOf(request: Lock, names: readonly string[], signal: AbortSignal): Promise<Release> {
  const others = follow(signal);
  let won: Release | undefined;
  try {
    await Promise.allSettled(
      names.map(async (name) => {
        const release = await request(name, others.signal);
        if (won !== undefined) {
          release();
          return;
        }
        won = release;
        others.abort();
      }),
    );
  } finally {
    others.abort();
  }
  if (won === undefined) throw signal.reason;
  return won;
}

function sharedLocks(locks: LockManager): Lock {
  const own = ownLocks();
  return async (name, signal) => {
    signal.throwIfAborted();
    try {
      const unlock = await lock(locks, name, { signal });
      return () => void unlock?.();
    } catch {
      // A sandboxed frame has the API, and is refused every lock.
      return own(name, signal);
    }
  };
}

function ownLocks(): Lock {
  const last = new Map<string, Promise<void>>();
  return async (name, signal) => {
    signal.throwIfAborted();
    const before = last.get(name) ?? Promise.resolve();
    let release: Release = () => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    last.set(
      name,
      before.then(() => released),
    );
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
    });
    try {
      await Promise.race([before, aborted]);
    } catch (error) {
      release();
      throw error;
    }
    return release;
  };
}
