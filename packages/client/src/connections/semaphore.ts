// Hands out a fixed number of permits in order of asking: among all pages of a browser by Web Locks, else in this page.
import { follow, within } from "../wait/abortable.js";
import { lock } from "../wait/web-lock.js";

/** How often `onWaiting` is called, in milliseconds. */
const ASK_MS = 100;

/** Gives back what was taken; called once. */
export type Release = () => void;

/** Waits for one permit. At most one waits at a time. Throws `signal.reason` when aborted. */
type Take = (signal: AbortSignal) => Promise<Release>;

interface Waiter {
  readonly isUrgent: boolean;
  readonly grant: (release: Release) => void;
}

export interface SemaphoreOptions {
  /** The names of the permits' locks, one for each. */
  readonly permits: readonly string[];
  /** The name of a lock that only the first of all pages holds, so that the others wait in the order of asking. */
  readonly queue?: string;
  /** Shared by all pages of this origin; without it the permits are this object's own. */
  readonly locks: LockManager | undefined;
  /**
   * Called again and again while somebody waits.
   *
   * @param round - how often it was called since the first began to wait
   * @param isUrgent - whether the first is urgent
   */
  readonly onWaiting?: (round: number, isUrgent: boolean) => void;
}

/** A counting semaphore with a queue of its own, of which only the first waits among those of all pages. */
export class Semaphore {
  readonly #take: Take;
  readonly #onWaiting: SemaphoreOptions["onWaiting"];
  readonly #waiting: Waiter[] = [];
  #asking: AbortController | undefined;
  #isPaused = false;

  constructor({ locks, onWaiting, permits, queue }: SemaphoreOptions) {
    const own = ownPermits(permits.length);
    this.#take = locks === undefined ? own : sharedPermits(locks, permits, queue, own);
    this.#onWaiting = onWaiting;
  }

  /** Waits for a permit; who is urgent goes before who is not. @throws `signal.reason` when aborted */
  acquire(signal: AbortSignal, isUrgent = false): Promise<Release> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const abort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        if (this.#waiting.length === 0) this.#asking?.abort();
        reject(signal.reason as Error);
      };
      const grant = (release: Release): void => {
        signal.removeEventListener("abort", abort);
        resolve(release);
      };
      const waiter: Waiter = { isUrgent, grant };
      signal.addEventListener("abort", abort, { once: true });
      const behind = isUrgent ? this.#waiting.findIndex((other) => !other.isUrgent) : -1;
      this.#waiting.splice(behind === -1 ? this.#waiting.length : behind, 0, waiter);
      void this.#serve();
    });
  }

  /** Asks the other pages for nothing until `resume`; whoever waits goes on waiting. */
  pause(): void {
    this.#isPaused = true;
    this.#asking?.abort();
  }

  resume(): void {
    this.#isPaused = false;
    void this.#serve();
  }

  async #serve(): Promise<void> {
    while (this.#asking === undefined && !this.#isPaused && this.#waiting.length > 0) {
      const asking = new AbortController();
      this.#asking = asking;
      let round = 0;
      const ask = this.#onWaiting;
      const timer = ask && setInterval(() => ask(round++, this.#waiting[0]?.isUrgent === true), ASK_MS);
      try {
        const release = await this.#take(asking.signal);
        const first = this.#waiting.shift();
        if (first === undefined) release();
        else first.grant(release);
      } catch {
        // Nobody waits any more, or the semaphore is paused and goes on when it is resumed.
      } finally {
        clearInterval(timer);
        this.#asking = undefined;
      }
    }
  }
}

function ownPermits(count: number): Take {
  let free = count;
  let wake: () => void = () => undefined;
  return async (signal) => {
    signal.throwIfAborted();
    while (free === 0) await within(new Promise<void>((resolve) => (wake = resolve)), undefined, signal);
    free -= 1;
    return () => {
      free += 1;
      wake();
    };
  };
}

function sharedPermits(
  locks: LockManager,
  permits: readonly string[],
  queue: string | undefined,
  own: Take,
): Take {
  return async (signal) => {
    // Only the first in the queue waits for the permits themselves: locks are granted in the order of asking.
    const leaveQueue =
      queue === undefined ? undefined : await lock(locks, queue, { signal }).catch(() => undefined);
    const release = await firstOf(locks, permits, signal);
    void leaveQueue?.();
    // A sandboxed frame has the API, and is refused every lock.
    return release ?? own(signal);
  };
}

/** Waits for any one of the locks; `undefined` when it is aborted, or refused all of them. */
async function firstOf(
  locks: LockManager,
  names: readonly string[],
  signal: AbortSignal,
): Promise<Release | undefined> {
  const others = follow(signal);
  let won: Release | undefined;
  await Promise.allSettled(
    names.map(async (name) => {
      const unlock = await lock(locks, name, { signal: others.signal });
      if (won !== undefined) {
        await unlock?.();
        return;
      }
      won = () => void unlock?.();
      others.abort();
    }),
  );
  others.abort();
  return won;
}
