// Knows one stream of the key-value log: which events are where, what the head says of them, and who wrote it.

import type { Retention } from "../../log/event-log.js";
import type { HeadRecord, KeyValueBackend, Segment } from "./backend.js";
import { randomId, utf8Length } from "../../log/text.js";
import { type Retained, RetentionWindow } from "../../log/retention-window.js";

/** A stream is read in one round trip if it has no more events, and otherwise by so many. */
const EVENTS_PER_PAGE = 512;
/** So many places behind the head are looked at too: what a crash left there is rarely more than one event. */
const PLACES_BEHIND_HEAD = 8;

/** What a process knows of one stream of the key-value log: the sizes and times of its events, not the events. */
export class KeyValueStream {
  readonly epoch: string;
  readonly window: RetentionWindow<Retained>;
  readonly #bornAt: number;
  #segments: readonly Segment[];
  #writer: string;
  #version: number;
  /** The lowest seq whose event may still be stored. */
  oldest: number;
  /** The seq up to which the newest head in the backend says that every event was stored. */
  #acknowledged: number;
  /** Whether this process wrote the newest head itself, so that what it knows is the truth. */
  isOwned = false;
  /** Whether events that retention has dropped are being deleted. */
  isRemoving = false;

  private constructor(head: HeadRecord) {
    const { retention, lastAppendAt } = head;
    this.epoch = head.epoch;
    this.#bornAt = head.bornAt;
    this.#segments = head.segments;
    this.#writer = head.writer;
    this.#version = head.version;
    this.oldest = head.oldest;
    this.#acknowledged = head.acknowledged;
    const kept = retention.maxEvents === null ? 1 : head.acknowledged - Math.floor(retention.maxEvents) + 1;
    this.window = new RetentionWindow(retention, Math.max(head.floor, kept) - 1, lastAppendAt);
  }

  static create(retention: Retention, writer: string, now: number): KeyValueStream {
    return new KeyValueStream({
      epoch: randomId(),
      bornAt: now,
      version: 0,
      writer,
      segments: [{ id: randomId(), from: 1 }],
      oldest: 1,
      floor: 1,
      acknowledged: 0,
      intended: 0,
      lastAppendAt: now,
      retention,
      isEnded: false,
    });
  }

  /**
   * Reads a stream from the backend, or what is new of one that is known already. Whoever wrote it last may have died
   * between the writes of one append: then its events end where they really end, not where the head says.
   *
   * @param onEvent is given the events that were read on the way.
   */
  static async load(
    backend: KeyValueBackend,
    name: string,
    known: KeyValueStream | undefined,
    now: number,
    onEvent: (seq: number, payload: string) => void,
  ): Promise<KeyValueStream | undefined> {
    const head = await backend.readHead(name);
    if (head === undefined) return undefined;
    const stream = known?.isContinuedBy(head) === true ? known : new KeyValueStream(head);
    stream.#take(head);
    if (!stream.window.isForgotten(now)) await stream.#readForward(backend, head, now, onEvent);
    stream.window.trim();
    stream.window.expire(now);
    return stream;
  }

  /**
   * The highest seq whose event may be deleted: one that retention has dropped, and whose absence cannot be mistaken for
   * the end of the stream when it is loaded.
   */
  get lastToRemove(): number {
    return Math.min(this.window.floor - 1, this.#acknowledged);
  }

  keyOf(seq: number): string {
    let segment = this.#segments[0];
    for (const candidate of this.#segments) {
      if (candidate.from > seq) break;
      segment = candidate;
    }
    return `${segment?.id ?? ""}-${seq}`;
  }

  keysOf(first: number, last: number): string[] {
    const keys: string[] = [];
    for (let seq = first; seq <= last; seq += 1) keys.push(this.keyOf(seq));
    return keys;
  }

  /** Whether a head tells more of the very events that are known here. */
  isContinuedBy(head: HeadRecord): boolean {
    return head.epoch === this.epoch && head.segments.at(-1)?.id === this.#segments.at(-1)?.id;
  }

  /** Whether a head shows that another process has taken over, against the rule of one writer at a time. */
  isSupersededBy(head: HeadRecord): boolean {
    return !this.isContinuedBy(head) && (head.bornAt > this.#bornAt || head.version > this.#version);
  }

  get version(): number {
    return this.#version;
  }

  /** Makes the writer the one who writes from now on, in a segment of its own unless it goes on with its last one. */
  own(writer: string): void {
    if (this.isOwned) return;
    // One more than needed: the version after the last may be on its way from a writer that failed.
    this.#version += 1;
    if (this.#writer === writer) return;
    this.#writer = writer;
    const from = this.window.head + 1;
    this.#segments = [...this.#segments.filter((segment) => segment.from < from), { id: randomId(), from }];
  }

  /** The head to write together with the events up to `intended`. */
  nextHead(intended: number, retention: Retention, lastAppendAt: number, isEnded: boolean): HeadRecord {
    this.#version += 1;
    this.#acknowledged = this.window.head;
    // Segments that end below the oldest event have nothing left in them.
    this.#segments = this.#segments.filter((_, index) => {
      const next = this.#segments[index + 1];
      return next === undefined || next.from > this.oldest;
    });
    return {
      epoch: this.epoch,
      bornAt: this.#bornAt,
      version: this.#version,
      writer: this.#writer,
      segments: this.#segments,
      oldest: this.oldest,
      floor: this.window.floor,
      acknowledged: this.window.head,
      intended,
      lastAppendAt,
      retention,
      isEnded,
    };
  }

  #take(head: HeadRecord): void {
    this.#segments = head.segments;
    this.#writer = head.writer;
    this.#version = head.version;
    this.oldest = head.oldest;
    this.#acknowledged = head.acknowledged;
    this.window.retention = head.retention;
    this.window.isEnded = head.isEnded;
    this.window.noteAppendAt(head.lastAppendAt);
  }

  async #readForward(
    backend: KeyValueBackend,
    head: HeadRecord,
    now: number,
    onEvent: (seq: number, payload: string) => void,
  ): Promise<void> {
    const { window } = this;
    const { ttlMs } = head.retention;
    // When the last events may have expired by now, their absence does not say that they never were there.
    const isExpired = ttlMs !== null && now - head.lastAppendAt > ttlMs;
    const certain = isExpired ? head.intended : head.acknowledged;
    for (;;) {
      const first = window.head + 1;
      const last = Math.min(
        first + EVENTS_PER_PAGE - 1,
        Math.max(head.intended, window.head) + PLACES_BEHIND_HEAD,
      );
      const events = await backend.readEvents(this.keysOf(first, last));
      for (const [index, event] of events.entries()) {
        const seq = first + index;
        if (event !== undefined) {
          window.push({ bytes: utf8Length(event.payload), at: event.at });
          onEvent(seq, event.payload);
        } else if (seq <= certain) {
          window.skipTo(seq);
        } else {
          return;
        }
      }
    }
  }
}
