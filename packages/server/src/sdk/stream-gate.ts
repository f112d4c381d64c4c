// Keeps the appends of one stream in order and holds them while a replay finishes, which closes the seam between the two.

import { EventStoreError, timeoutError } from "../log/errors.js";
import type { Retention } from "../log/event-log.js";
import { macrotask, within } from "../log/waits.js";
import type { Appended, LimitedLog } from "../store/time-limited-log.js";

/** An append whose caller waits for the acknowledgement. */
interface Turn {
  readonly acknowledge: (appended: Appended) => void;
  /** `undefined` until the log has answered. */
  appended: Appended | undefined;
  next: Turn | undefined;
  onDone: (() => void)[] | undefined;
}

/**
 * The appends of one stream. Each is handed to the log at once, in the order of the calls, and many may be under way;
 * they are acknowledged in that order too, whatever the order in which the log answers: the SDK writes a message to
 * the connection when its append is acknowledged, and a cursor must never run ahead of what was sent.
 */
export class AppendPipeline {
  readonly #log: LimitedLog;
  readonly #name: string;
  readonly #maxPending: number;
  #pending = 0;
  #first: Turn | undefined;
  #last: Turn | undefined;
  #isSettling = false;

  constructor(log: LimitedLog, name: string, maxPending: number) {
    this.#log = log;
    this.#name = name;
    this.#maxPending = maxPending;
  }

  /** How many appends are not acknowledged yet. */
  get pending(): number {
    return this.#pending;
  }

  /**
   * @param acknowledge called in turn, once the log has answered and what was `alongside` is done. Must not throw.
   * @param alongside must not reject.
   */
  append(
    payload: string,
    retention: Retention,
    acknowledge: (appended: Appended) => void,
    alongside?: Promise<void>,
  ): void {
    if (this.#pending >= this.#maxPending) {
      this.pass(overloaded(this.#pending), acknowledge);
      return;
    }
    const turn = this.#enter(acknowledge);
    const appending = this.#log.append(this.#name, payload, retention);
    void appending.then((appended) => {
      if (alongside === undefined) this.#settle(turn, appended);
      else void alongside.then(() => this.#settle(turn, appended));
    });
  }

  /** Acknowledges in turn what is not handed to the log. */
  pass(appended: Appended, acknowledge: (appended: Appended) => void): void {
    this.#settle(this.#enter(acknowledge), appended);
  }

  /** Resolves when everything appended so far is acknowledged; the limit of each append limits this wait. */
  settled(): Promise<void> {
    const last = this.#last;
    if (last === undefined) return Promise.resolve();
    return new Promise((resolve) => (last.onDone ??= []).push(resolve));
  }

  #enter(acknowledge: (appended: Appended) => void): Turn {
    const turn: Turn = { acknowledge, appended: undefined, next: undefined, onDone: undefined };
    if (this.#last === undefined) this.#first = turn;
    else this.#last.next = turn;
    this.#last = turn;
    this.#pending += 1;
    return turn;
  }

  #settle(turn: Turn, appended: Appended): void {
    turn.appended = appended;
    // Whoever observes may store again before the acknowledgement at hand has reached its caller: that one goes first.
    if (this.#isSettling) return;
    this.#isSettling = true;
    for (let first = this.#first; first?.appended !== undefined; first = this.#first) {
      this.#first = first.next;
      if (first.next === undefined) this.#last = undefined;
      this.#pending -= 1;
      first.acknowledge(first.appended);
      if (first.onDone !== undefined) for (const tell of first.onDone) tell();
    }
    this.#isSettling = false;
  }
}

function overloaded(pending: number): Appended {
  const error = new EventStoreError(
    "overloaded",
    `${pending} events of this stream wait for the storage already; this one was not stored. ` +
      "Await what you send, or raise maxPendingEventsPerStream.",
  );
  return { error, isUncertain: false, eventually: undefined };
}

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

  /** Runs the append, now or when the gate opens. It must not throw. */
  pass(append: () => void): void {
    const held = this.#held;
    if (held === undefined) {
      append();
      return;
    }
    if (held.length >= this.#maxHeld) this.#overflow(overflowError(held.length));
    held.push(append);
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
