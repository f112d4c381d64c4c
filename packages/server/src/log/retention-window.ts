// Applies a stream's retention: which events are kept, and for how long the head is.

import { Deque } from "./collections.js";
import type { LogEntry, LogPage, Retention } from "./event-log.js";

/** What retention needs to know of an event. */
export interface Retained {
  /** Of the payload, in UTF-8. */
  readonly bytes: number;
  /** When it was appended, in milliseconds. */
  readonly at: number;
}

/** An event that is kept with its payload. */
export interface RetainedPayload extends Retained {
  readonly payload: string;
}

/**
 * The newest events of one stream, as many as its retention allows, numbered from `floor` to `head` without holes.
 * For drivers that apply retention in this process.
 */
export class RetentionWindow<E extends Retained = RetainedPayload> {
  retention: Retention;
  isEnded = false;
  readonly #events = new Deque<E>();
  #head: number;
  #lastAppendAt: number;
  #payloadBytes = 0;

  /** @param head the seq before the first event that will be pushed. */
  constructor(retention: Retention, head: number, now: number) {
    this.retention = retention;
    this.#head = head;
    this.#lastAppendAt = now;
  }

  get head(): number {
    return this.#head;
  }

  get floor(): number {
    return this.#head - this.#events.length + 1;
  }

  get count(): number {
    return this.#events.length;
  }

  get payloadBytes(): number {
    return this.#payloadBytes;
  }

  get lastAppendAt(): number {
    return this.#lastAppendAt;
  }

  /** The time to give to the next event. A clock that was set back must not make it expire before older ones. */
  timeOf(now: number): number {
    return Math.max(now, this.#lastAppendAt);
  }

  at(seq: number): E | undefined {
    return seq < this.floor ? undefined : this.#events.at(seq - this.floor);
  }

  push(event: E): void {
    this.#events.push(event);
    this.#head += 1;
    this.#payloadBytes += event.bytes;
    this.noteAppendAt(event.at);
  }

  /** Takes note that something was appended, whether or not it was pushed here. */
  noteAppendAt(time: number): void {
    this.#lastAppendAt = Math.max(time, this.#lastAppendAt);
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
  expire(now: number, atMost = Infinity): void {
    const { ttlMs } = this.retention;
    if (ttlMs === null) return;
    for (let dropped = 0; dropped < atMost; dropped += 1) {
      const oldest = this.#events.at(0);
      if (oldest === undefined || now - oldest.at <= ttlMs) return;
      this.dropOldest();
    }
  }

  dropOldest(): void {
    this.#payloadBytes -= this.#events.shift()?.bytes ?? 0;
  }

  /** Drops every event below a seq. */
  dropBelow(seq: number): void {
    while (this.count > 0 && this.floor < seq) this.dropOldest();
  }

  /** Takes the events up to a seq for gone, those that were not pushed included. */
  skipTo(seq: number): void {
    this.dropBelow(this.#head + 1);
    this.#head = seq;
  }

  /** Whether the stream is to be forgotten, head and all. */
  isForgotten(now: number): boolean {
    const limit = forgetAfterMs(this.retention, this.isEnded);
    return limit !== null && now - this.#lastAppendAt > limit;
  }
}

/** A stream whose events are kept with their payloads in this process. */
export interface RetainedStream {
  readonly epoch: string;
  readonly window: RetentionWindow;
}

/**
 * The answer to a read; `undefined` when there is no such stream. What has expired must be gone: call `expire` before.
 */
export function pageOf(
  stream: RetainedStream | undefined,
  after: number,
  limit: number,
): LogPage | undefined {
  if (stream === undefined) return undefined;
  const { epoch, window } = stream;
  const { head, floor, isEnded } = window;
  const first = Math.max(after + 1, floor);
  const last = Math.min(head, first + limit - 1);
  const entries: LogEntry[] = [];
  for (let seq = first; seq <= last; seq += 1) {
    const event = window.at(seq);
    if (event !== undefined) entries.push({ seq, payload: event.payload });
  }
  return { entries, head: { epoch, seq: head }, floor, ended: isEnded };
}

/**
 * How long after its last append a stream is forgotten, head and all, in milliseconds; `null` for never.
 *
 * One that has ended goes with its newest event. Another one keeps its head for `headTtlMs`, and in any case for as
 * long as its newest event may be read.
 */
export function forgetAfterMs(
  retention: Pick<Retention, "ttlMs" | "headTtlMs">,
  isEnded: boolean,
): number | null {
  const { ttlMs, headTtlMs } = retention;
  if (ttlMs === null) return null;
  if (isEnded) return ttlMs;
  return headTtlMs === null ? null : Math.max(ttlMs, headTtlMs);
}

/** Whether two retentions keep the same. */
export function isSameRetention(one: Retention, other: Retention): boolean {
  return (
    one === other ||
    (one.maxEvents === other.maxEvents &&
      one.maxBytes === other.maxBytes &&
      one.ttlMs === other.ttlMs &&
      one.headTtlMs === other.headTtlMs)
  );
}
