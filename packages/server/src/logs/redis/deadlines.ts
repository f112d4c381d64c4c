// Limits the time of all calls under way with one timer.

/** How many times within the limit the calls are looked at. */
const LOOKS = 20;
const SHORTEST_LOOK_MS = 5;

/** Of how many calls that have waited since the last look their owner is told. */
const MAX_WAITING_TOLD = 8;

export interface DeadlinesOptions<Call> {
  readonly limitMs: number;
  /** The call's time is up. */
  readonly onExpired: (call: Call) => void;
  /** The call, one of the oldest, has waited for some time. Called again as long as it does. */
  readonly onWaiting: (call: Call) => void;
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
    setTimeout(() => this.#look(), this.#lookMs);
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
        onWaiting(call);
      } else {
        break;
      }
    }
    if (this.#calls.size > 0) this.#lookLater();
    else this.#isLooking = false;
  }
}
