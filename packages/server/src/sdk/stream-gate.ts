import { EventStoreError, timeoutError } from "../log/errors.js";
import { begin, macrotask, within } from "../log/waits.js";

/**
 * Lets the appends of one stream through, except while a replay finishes: then they wait, and go on in their order.
 *
 * The transports of both SDKs await the replay and then register the new connection; an event that is acknowledged in
 * between is written to the old connection and lost. So a replay finishes alone, and the gate opens one macrotask
 * after it has returned: the SDK registers in the microtasks before.
 */
export class StreamGate {
  readonly #maxHeld: number;
  readonly #limitMs: number;
  #held: (() => void)[] | undefined;
  #overflow: (error: EventStoreError) => void = () => undefined;
  #isTaken = false;
  readonly #queue: (() => void)[] = [];

  constructor(maxHeld: number, limitMs: number) {
    this.#maxHeld = maxHeld;
    this.#limitMs = limitMs;
  }

  /** Whether a replay finishes, or waits to. */
  get isBusy(): boolean {
    return this.#isTaken;
  }

  /**
   * Runs the append, now or when the gate opens. Either way the answer takes the same number of microtasks to reach
   * the caller, so that those that waited cannot be overtaken on their way back.
   */
  pass<T>(append: () => Promise<T>): Promise<T> {
    const held = this.#held;
    if (held === undefined) return begin(append);
    if (held.length >= this.#maxHeld) this.#overflow(overflowError(held.length));
    return new Promise((resolve) => held.push(() => resolve(append())));
  }

  /**
   * Finishes a replay: holds new appends, waits for those under way, gives the SDK a macrotask to write them to the
   * connection that still stands, and runs the work. Replays of one stream finish one after the other.
   *
   * @param underWay resolves when all appends under way are acknowledged.
   * @param finish must stop when the signal aborts: the gate is open again then.
   * @throws {EventStoreError} `timeout` when its turn does not come, `overloaded` when too many appends wait, and what
   * `underWay` and `finish` throw. Then the gate is open, and what was held goes to the old connection.
   */
  async finishReplay<T>(
    underWay: () => Promise<void>,
    finish: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    await this.#takeTurn();
    const abort = new AbortController();
    const overflown = new Promise<never>((_resolve, reject) => {
      this.#overflow = reject;
    });
    this.#held = [];
    try {
      const finished = await Promise.race([
        overflown,
        underWay()
          .then(macrotask)
          .then(() => {
            abort.signal.throwIfAborted();
            return finish(abort.signal);
          }),
      ]);
      setTimeout(() => this.#open(), 0);
      return finished;
    } catch (error) {
      abort.abort(error);
      this.#open();
      throw error;
    }
  }

  #open(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    this.#overflow = () => undefined;
    for (const append of held) append();
    const next = this.#queue.shift();
    if (next === undefined) this.#isTaken = false;
    else next();
  }

  async #takeTurn(): Promise<void> {
    if (!this.#isTaken) {
      this.#isTaken = true;
      return;
    }
    let take = (): void => undefined;
    const turn = new Promise<void>((resolve) => {
      take = resolve;
    });
    this.#queue.push(take);
    try {
      await within(turn, this.#limitMs, () => timeoutError("The replay before this one", this.#limitMs));
    } catch (error) {
      const place = this.#queue.indexOf(take);
      // Not in the queue any more: its turn came in the same moment, and must go on to the next.
      if (place === -1) this.#open();
      else this.#queue.splice(place, 1);
      throw error;
    }
  }
}

function overflowError(held: number): EventStoreError {
  return new EventStoreError(
    "overloaded",
    `${held} events wait for a replay of their stream to finish, so it was given up; resume again.`,
  );
}
