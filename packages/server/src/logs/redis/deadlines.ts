/** How many times within the limit the calls are looked at. */
const LOOKS = 20;
const SHORTEST_LOOK_MS = 5;

/**
 * Calls under way, all with the same time limit. One timer looks after all of them, now and then: a timer for each would
 * cost more than the rest of a fast call. So a call may get somewhat more than its time, by a twentieth.
 */
export class Deadlines<Call extends { readonly endsAt: number }> {
  readonly #calls = new Set<Call>();
  readonly #lookMs: number;
  readonly #expire: (call: Call) => void;
  #isLooking = false;

  constructor(limitMs: number, expire: (call: Call) => void) {
    this.#lookMs = Math.max(SHORTEST_LOOK_MS, limitMs / LOOKS);
    this.#expire = expire;
  }

  add(call: Call): void {
    this.#calls.add(call);
    if (this.#isLooking) return;
    this.#isLooking = true;
    this.#lookLater();
  }

  remove(call: Call): void {
    this.#calls.delete(call);
  }

  has(call: Call): boolean {
    return this.#calls.has(call);
  }

  #lookLater(): void {
    setTimeout(() => this.#look(), this.#lookMs);
  }

  #look(): void {
    const now = performance.now();
    // In the order in which they came, so that those that are late come first.
    for (const call of this.#calls) {
      if (call.endsAt > now) break;
      this.#calls.delete(call);
      this.#expire(call);
    }
    if (this.#calls.size > 0) this.#lookLater();
    else this.#isLooking = false;
  }
}
