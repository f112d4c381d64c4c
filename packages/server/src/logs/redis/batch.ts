import type { Position } from "../../log/event-log.js";
import type { PendingEvent, StreamQueue } from "./stream-queue.js";
import type { StreamState } from "./stream-state.js";

/** Events of one stream that go to the server together, in this order, all or none. */
export class Batch {
  readonly queue: StreamQueue;
  readonly first: PendingEvent;
  /** All of them. */
  readonly events: readonly PendingEvent[];
  /** Of all payloads. */
  readonly bytes: number;
  /** The state that it expects to find, if any is known. */
  readonly expected: StreamState | undefined;
  /** The state that it leads to from the expected one; `undefined` when that is for the server to work out. */
  next: StreamState | undefined;
  /** The number of its call. */
  call = 0;
  /** Whether another batch was sent that is stored only if this one is. */
  isFollowed = false;
  /** What follows may be turned away by the server: then it waits for the batch before it, and goes once more. */
  isTurnedAway = false;
  readonly #isBehindAnother: boolean;

  constructor(queue: StreamQueue, first: PendingEvent, events: readonly PendingEvent[], bytes: number) {
    this.queue = queue;
    this.first = first;
    this.events = events;
    this.bytes = bytes;
    const before = queue.newest;
    this.#isBehindAnother = before !== undefined;
    this.expected = before === undefined ? queue.state : before.next;
    if (before !== undefined) before.isFollowed = true;
  }

  /** Whether it counts on the batch before it, whose answer was not there when it was sent. */
  get isFollowing(): boolean {
    return this.#isBehindAnother && !this.isTurnedAway;
  }

  /**
   * Adds what the script takes for one stream. Without a next state, it works that out; the one expected still tells it
   * whether the server has lost events.
   */
  describe(args: string[]): void {
    const state = this.isTurnedAway ? this.queue.state : this.expected;
    const next = this.isTurnedAway ? undefined : this.next;
    args.push(
      String(this.events.length),
      state?.text ?? "",
      next?.text ?? "",
      next === undefined ? "0" : (state?.due ?? "0"),
      state?.nextId ?? "",
    );
    for (const { payload } of this.events) args.push(payload);
  }

  /** Tells those who wait where their events are. @param last the position of the last one. */
  resolve(last: Position): void {
    let seq = last.seq - this.events.length;
    for (const event of this.events) {
      seq += 1;
      event.resolve({ epoch: last.epoch, seq });
    }
  }

  reject(reason: Error): void {
    for (const event of this.events) event.reject(reason);
  }
}
