// Limits how long something may take, and waits for the next turn of the event loop.

import { asError, type EventStoreError } from "./errors.js";

/** The longest delay that a timer takes, in milliseconds; a longer one fires at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

/** Settles as `work` does, or rejects when it has not after `limitMs` milliseconds. */
export function within<T>(work: Promise<T>, limitMs: number, late: () => EventStoreError): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = setTimeout(() => reject(late()), limitMs);
    work.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (error: unknown) => {
        clearTimeout(timer);
        reject(asError(error));
      },
    );
  });
}

/** Calls at once; what is thrown at once becomes a rejection like any other. */
export function begin<T>(work: () => T | Promise<T>): Promise<T> {
  return new Promise<T>((resolve) => resolve(work()));
}

/** Resolves when all microtasks of now are done, and those that they start. */
export function macrotask(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** Every runtime that logs with connections or files run in has it; the types of browsers do not. */
declare function setImmediate(callback: () => void): unknown;

/** Calls back in the next turn of the event loop: what was written in this one is on its way by then. */
export function nextTurn(callback: () => void): void {
  setImmediate(callback);
}

/** Lets the process end although the timer runs, where the runtime's timers can keep it alive. */
export function unref(timer: unknown): void {
  if (isUnrefable(timer)) timer.unref();
}

function isUnrefable(timer: unknown): timer is { unref(): unknown } {
  return typeof timer === "object" && timer !== null && "unref" in timer && typeof timer.unref === "function";
}

/** How many times within the time limit the timer looks at the calls. */
const LOOKS = 20;
const SHORTEST_LOOK_MS = 1;

/** Of how many calls that have waited since the last look their owner is told. */
const MAX_WAITING_TOLD = 8;

export interface DeadlinesOptions<Call> {
  readonly limitMs: number;
  /** The call's time is up. */
  readonly onExpired: (call: Call) => void;
  /** The call, one of the oldest, has waited for some time. Called again as long as it does. */
  readonly onWaiting?: (call: Call) => void;
  /** Whether the process stays alive until the calls are done or expired. @defaultValue true */
  readonly keepsProcessAlive?: boolean;
}

/**
 * Calls under way, all with the same time limit. One timer looks after all of them, now and then: a timer for each would
 * cost more than the rest of a fast call. So a call may get somewhat more than its time, by a twentieth.
 */
export class Deadlines<Call extends { readonly endsAt: number }> {
  readonly #options: DeadlinesOptions<Call>;
  readonly #calls = new Set<Call>();
  readonly #lookMs: number;
  #isLooking = false;
  #tellEmpty: (() => void)[] = [];

  constructor(options: DeadlinesOptions<Call>) {
    this.#options = options;
    this.#lookMs = Math.max(SHORTEST_LOOK_MS, options.limitMs / LOOKS);
  }

  add(call: Call): void {
    this.#calls.add(call);
    if (this.#isLooking) return;
    this.#isLooking = true;
    this.#lookLater();
  }

  /** The call is done. */
  remove(call: Call): void {
    this.#calls.delete(call);
    if (this.#calls.size > 0 || this.#tellEmpty.length === 0) return;
    for (const tell of this.#tellEmpty.splice(0)) tell();
  }

  /** Resolves when there is no call under way. */
  async allRemoved(): Promise<void> {
    if (this.#calls.size > 0) await new Promise<void>((resolve) => this.#tellEmpty.push(resolve));
  }

  has(call: Call): boolean {
    return this.#calls.has(call);
  }

  #lookLater(): void {
    const timer = setTimeout(() => this.#look(), this.#lookMs);
    if (this.#options.keepsProcessAlive === false) unref(timer);
  }

  #look(): void {
    const { limitMs, onExpired, onWaiting } = this.#options;
    const now = performance.now();
    let told = 0;
    // In the order in which they came.
    for (const call of this.#calls) {
      if (call.endsAt <= now) {
        this.remove(call);
        onExpired(call);
      } else if (call.endsAt - limitMs + this.#lookMs <= now && told < MAX_WAITING_TOLD) {
        told += 1;
        onWaiting?.(call);
      } else {
        break;
      }
    }
    if (this.#calls.size > 0) this.#lookLater();
    else this.#isLooking = false;
  }
}

/** A function, so that the compiler does not take what it saw before a wait for granted. */
export function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}
