import type { LogEntry, LogPage, Retention } from "../event-log.js";
import { forgetAfterMs } from "./lifetime.js";
import { randomId } from "./random-id.js";
import { Place } from "./recency-list.js";

/** What an event takes on the heap beside its payload, in bytes (measured: 102). */
export const EVENT_OVERHEAD_BYTES = 110;
/** What a stream takes on the heap beside its name and events, in bytes (measured: 760). */
export const STREAM_OVERHEAD_BYTES = 800;

/** Dropped slots at the head of the array are cut off when there are this many of them, and more than of the rest. */
const MIN_SLOTS_TO_CUT = 32;

interface StoredEvent {
  readonly payload: string;
  readonly bytes: number;
  readonly at: number;
}

/** One stream of the memory log: its newest events, oldest first, in an array with a moving start. */
export class MemoryStream {
  readonly name: string;
  readonly epoch = randomId();
  readonly place: Place<MemoryStream> = new Place<MemoryStream>(this);
  retention: Retention;
  isEnded = false;
  #head = 0;
  #lastAppendAt: number;
  #payloadBytes = 0;
  #events: (StoredEvent | undefined)[] = [];
  #start = 0;

  constructor(name: string, retention: Retention, now: number) {
    this.name = name;
    this.retention = retention;
    this.#lastAppendAt = now;
  }

  get head(): number {
    return this.#head;
  }

  get count(): number {
    return this.#events.length - this.#start;
  }

  /** What the stream counts against the budget of the whole log. */
  get cost(): number {
    return (
      STREAM_OVERHEAD_BYTES + 2 * this.name.length + this.#payloadBytes + EVENT_OVERHEAD_BYTES * this.count
    );
  }

  push(payload: string, bytes: number, now: number): void {
    // A clock that was set back must not make a newer event expire before an older one.
    this.#lastAppendAt = Math.max(now, this.#lastAppendAt);
    this.#events.push({ payload, bytes, at: this.#lastAppendAt });
    this.#payloadBytes += bytes;
    this.#head += 1;
  }

  /** Drops what count and bytes no longer allow. */
  trim(): void {
    const { maxEvents, maxBytes } = this.retention;
    while (
      this.count > 0 &&
      ((maxEvents !== null && this.count > maxEvents) || (maxBytes !== null && this.#payloadBytes > maxBytes))
    ) {
      this.dropOldest();
    }
  }

  /** Drops what is too old, at most so many events in one go. */
  expire(now: number, atMost: number): void {
    const { ttlMs } = this.retention;
    if (ttlMs === null) return;
    for (let dropped = 0; dropped < atMost; dropped += 1) {
      const oldest = this.#events[this.#start];
      if (oldest === undefined || now - oldest.at <= ttlMs) return;
      this.dropOldest();
    }
  }

  dropOldest(): void {
    const oldest = this.#events[this.#start];
    if (oldest === undefined) return;
    this.#payloadBytes -= oldest.bytes;
    this.#events[this.#start] = undefined;
    this.#start += 1;
    if (this.#start >= MIN_SLOTS_TO_CUT && this.#start > this.count) {
      this.#events = this.#events.slice(this.#start);
      this.#start = 0;
    }
  }

  isForgotten(now: number): boolean {
    const limit = forgetAfterMs(this.retention, this.isEnded);
    return limit !== null && now - this.#lastAppendAt > limit;
  }

  page(after: number, limit: number): LogPage {
    const floor = this.#head - this.count + 1;
    const first = Math.max(after + 1, floor);
    const end = Math.min(this.#head, first + limit - 1);
    const entries: LogEntry[] = [];
    for (let seq = first; seq <= end; seq += 1) {
      const event = this.#events[this.#start + seq - floor];
      if (event !== undefined) entries.push({ seq, payload: event.payload });
    }
    return { entries, head: { epoch: this.epoch, seq: this.#head }, floor, ended: this.isEnded };
  }
}
