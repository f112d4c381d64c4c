// Holds some events of one stream that are stored together, and describes them to the append script.

import type { Position } from "../../log/event-log.js";
import type { RetentionText, StreamKeys, StreamState } from "./stream-state.js";

/** An event that waits to be stored. */
export interface PendingEvent {
  readonly payload: string;
  /** Of the payload, in UTF-8. */
  readonly bytes: number;
  readonly retention: RetentionText;
  /** When it came, on the monotonic clock in milliseconds. */
  readonly since: number;
  readonly resolve: (position: Position) => void;
  readonly reject: (error: Error) => void;
}

/**
 * How a batch stands to the one before it:
 *
 * - `first`: nothing of the stream was under way when it was sent;
 * - `behind`: it was sent before that one was answered, and is stored only if that one is;
 * - `turned-away`: so it was not stored, and waits until that one is answered;
 * - `again`: it was sent once more since.
 */
export type BatchOrder = "first" | "behind" | "turned-away" | "again";

/** What has become of a batch. */
export type Outcome =
  | {
      readonly kind: "stored";
      /** The state of the stream, as the batch has left it. */
      readonly state: StreamState;
      /** The position of the last event. */
      readonly last: Position;
    }
  /** The batch before it was not stored as expected, so this one was not stored either. */
  | { readonly kind: "turned-away" }
  /** With `ended`, `backend` or `timeout`. */
  | { readonly kind: "failed"; readonly error: Error };

/** Events of one stream, all of one retention, that go to the server together, in this order, all or none. */
export class Batch {
  readonly stream: string;
  readonly keys: StreamKeys;
  readonly first: PendingEvent;
  /** All of them. */
  readonly events: readonly PendingEvent[];
  /** Of all payloads. */
  readonly bytes: number;
  order: BatchOrder;
  /** Called each time that the batch was sent: one function for all batches of a queue, as there are many. */
  readonly onOutcome: (batch: Batch, outcome: Outcome) => void;
  /** Whether another batch was sent that is stored only if this one is. */
  isFollowed = false;
  /** The state that it expects to find, if any is known. */
  #expected: StreamState | undefined;
  #next: StreamState | undefined;
  #call = 0;

  /**
   * @param first the first of the events.
   * @param before the batch that it is sent behind, if one is under way.
   * @param state the state that the last append has left, if it is known.
   */
  constructor(
    stream: { readonly name: string; readonly keys: StreamKeys },
    first: PendingEvent,
    events: readonly PendingEvent[],
    before: Batch | undefined,
    state: StreamState | undefined,
    onOutcome: (batch: Batch, outcome: Outcome) => void,
  ) {
    this.stream = stream.name;
    this.keys = stream.keys;
    this.first = first;
    this.onOutcome = onOutcome;
    this.events = events;
    let bytes = 0;
    for (const event of events) bytes += event.bytes;
    this.bytes = bytes;
    this.order = before === undefined ? "first" : "behind";
    this.#expected = before === undefined ? state : before.next;
    if (before !== undefined) before.isFollowed = true;
  }

  get retention(): RetentionText {
    return this.first.retention;
  }

  /** The number of its call. When it goes again it keeps it, so that the server knows it. */
  get call(): number {
    return this.#call;
  }

  /** The state that it leads to from the expected one; `undefined` when that is for the server to work out. */
  get next(): StreamState | undefined {
    return this.#next;
  }

  /** It goes with this call. */
  joinCall(writer: string, call: number): void {
    this.#call = call;
    if (this.#expected?.takes(this.bytes, this.retention) === true) {
      this.#next = this.#expected.after(this.events.length, this.bytes, writer, call);
    }
  }

  /** It was turned away, and goes once more. @param state what the last append has left, if it is known. */
  goAgain(state: StreamState | undefined): void {
    this.order = "again";
    this.#expected = state;
  }

  /**
   * Adds what the script takes for one stream. Without a next state, it works that out; the one expected still tells it
   * whether the server has lost events.
   */
  describe(args: string[]): void {
    const expected = this.#expected;
    const next = this.order === "again" ? undefined : this.#next;
    args.push(
      String(this.events.length),
      expected?.text ?? "",
      next?.text ?? "",
      next === undefined ? "0" : (expected?.due ?? "0"),
      expected?.nextId ?? "",
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
