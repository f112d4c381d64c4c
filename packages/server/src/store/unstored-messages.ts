// Keeps the messages that a log could not store, in their places and within bounds, until a client resumes.

import { EventStoreError } from "../log/errors.js";
import type { LogEntry } from "../log/event-log.js";
import { randomId } from "../log/text.js";
import type { AppendFailure } from "./time-limited-log.js";
import type { EncodedMessage } from "./messages.js";

/** What a record takes beside its payload, in the units of the budget: it bounds the number of empty records too. */
const RECORD_OVERHEAD = 100;

/** A message that the log could not store, at its place in the stream. */
export interface UnstoredRecord {
  /** Counts up over the whole session. */
  readonly number: number;
  isResponse: boolean;
  /** `undefined` when memory was short, or when only losses are counted here. */
  payload: string | undefined;
  /** How many messages are lost right here, this one included when its payload is. */
  missed: number;
  /** The seq of the event that was acknowledged last before it; `undefined` when this process knows none. */
  readonly after: number | undefined;
  /** The seq of the event that was acknowledged next; `undefined` while there is none. */
  before: number | undefined;
  /** Whether the event may be in the log all the same. */
  isUncertain: boolean;
  /** Whether the log may still say so by itself. */
  isAwaited: boolean;
}

/**
 * How many of the losses that are counted at a record a client does not know of. Losses before it are counted at it too,
 * and each has a number of its own, so that the numbers since the last that the client has seen are a bound.
 */
export function lossesSince(lastSeen: number, { number, missed, payload }: UnstoredRecord): number {
  return Math.min(missed, number - lastSeen - (payload === undefined ? 0 : 1));
}

/** A session's memory for what could not be stored. When it is short, the oldest messages become counted losses. */
export class UnstoredMemory {
  /** Tells this process's numbers from those of another; see `UnstoredMark`. */
  readonly life = randomId();
  readonly #budget: number;
  readonly #onChange: () => void;
  #size = 0;
  #lastNumber = 0;
  /** The records of all streams, oldest first. */
  readonly #streams = new Map<UnstoredRecord, UnstoredStream>();
  /** Those among them that still have their payload. */
  readonly #full = new Set<UnstoredRecord>();

  /** @param onChange called when something was added or taken away. */
  constructor(budget: number, onChange: () => void) {
    this.#budget = budget;
    this.#onChange = onChange;
  }

  /** What the records take, in the units of the budget. */
  get size(): number {
    return this.#size;
  }

  /** Whether there is more than counted losses. */
  get hasMessages(): boolean {
    return this.#full.size > 0;
  }

  nextNumber(): number {
    return (this.#lastNumber += 1);
  }

  add(stream: UnstoredStream, record: UnstoredRecord): void {
    this.#streams.set(record, stream);
    this.#full.add(record);
    this.#size += RECORD_OVERHEAD + (record.payload?.length ?? 0);
    this.#shrink();
    this.#onChange();
  }

  /** Turns all messages into counted losses, with one record for each place of a stream. */
  giveUpAll(): void {
    for (const record of [...this.#full]) this.#giveUp(record);
    for (const stream of new Set(this.#streams.values())) stream.joinLosses();
    this.#onChange();
  }

  /** Gives up payloads, and then records, until the rest fits. */
  #shrink(): void {
    while (this.#size > this.#budget) {
      const [full] = this.#full;
      if (full !== undefined) {
        this.#giveUp(full);
        continue;
      }
      const [oldest] = this.#streams;
      if (oldest === undefined || this.#streams.size === 1) return;
      const [record, stream] = this.#oldestFollowed() ?? oldest;
      stream.remove(record, record.missed);
    }
  }

  /** The oldest whose losses can be counted at the next record of its stream: those of the last one nobody would tell. */
  #oldestFollowed(): readonly [UnstoredRecord, UnstoredStream] | undefined {
    for (const [record, stream] of this.#streams) if (!stream.endsWith(record)) return [record, stream];
    return undefined;
  }

  remove(record: UnstoredRecord): void {
    if (!this.#streams.delete(record)) return;
    this.#full.delete(record);
    this.#size -= RECORD_OVERHEAD + (record.payload?.length ?? 0);
    this.#onChange();
  }

  /** Drops the payload. */
  empty(record: UnstoredRecord): void {
    this.#drop(record);
    this.#onChange();
  }

  #drop(record: UnstoredRecord): void {
    this.#full.delete(record);
    this.#size -= record.payload?.length ?? 0;
    record.payload = undefined;
  }

  #giveUp(record: UnstoredRecord): void {
    this.#drop(record);
    record.missed += 1;
  }
}

/** What could not be stored of one stream, in order. */
export class UnstoredStream {
  readonly #memory: UnstoredMemory;
  readonly #records: UnstoredRecord[] = [];
  readonly #watchers = new Set<() => void>();

  constructor(memory: UnstoredMemory) {
    this.#memory = memory;
  }

  get life(): string {
    return this.#memory.life;
  }

  get isEmpty(): boolean {
    return this.#records.length === 0;
  }

  /** Whether a message waits that came after everything acknowledged so far. */
  get hasTail(): boolean {
    return !this.isEmpty && this.#records.at(-1)?.before === undefined;
  }

  endsWith(record: UnstoredRecord): boolean {
    return this.#records.at(-1) === record;
  }

  /** Whether a response is among what waits. */
  get hasResponse(): boolean {
    return this.#records.some((record) => record.isResponse);
  }

  /**
   * Calls `wake` when a message was kept, or got its place.
   *
   * @returns a function that ends this.
   */
  watch(wake: () => void): () => void {
    this.#watchers.add(wake);
    return () => void this.#watchers.delete(wake);
  }

  /**
   * @param after the seq of the event acknowledged last.
   * @returns whether there was room for the message; else its loss is counted.
   */
  keep(message: EncodedMessage, after: number | undefined, failure: AppendFailure): boolean {
    const record: UnstoredRecord = {
      number: this.#memory.nextNumber(),
      isResponse: message.kind === "response",
      payload: message.payload,
      missed: 0,
      after,
      before: undefined,
      isUncertain: failure.isUncertain,
      isAwaited: failure.eventually !== undefined,
    };
    this.#records.push(record);
    this.#memory.add(this, record);
    failure.eventually?.then(
      ({ seq }) => this.#found(record, seq),
      (error: unknown) => {
        // A connection that broke, say, tells nothing: the log has to say that nothing was written.
        record.isAwaited = false;
        record.isUncertain = !(error instanceof EventStoreError) || error.mayHaveHappened;
      },
    );
    this.#wake();
    return record.payload !== undefined;
  }

  /** An event was acknowledged: what was kept since the one before it has its place before it. */
  place(before: number): void {
    for (let index = this.#records.length - 1; index >= 0; index -= 1) {
      const record = this.#records[index];
      if (record?.before !== undefined) break;
      if (record !== undefined) record.before = before;
    }
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#watchers) wake();
  }

  /** The stream's log was started anew: nobody can resume from before that. */
  forgetPlaced(): void {
    for (const record of [...this.#records]) if (record.before !== undefined) this.remove(record);
  }

  /**
   * Records after a cursor, at most those whose place is before the event `upTo`.
   *
   * @param after the seq of the cursor.
   * @param number the last record that the cursor has seen.
   */
  due(after: number, number: number, upTo: number): readonly UnstoredRecord[] {
    if (this.isEmpty) return this.#records;
    return this.#records.filter(
      (record) =>
        record.number > number &&
        (record.before === undefined || record.before > after) &&
        (record.before ?? Infinity) <= upTo,
    );
  }

  /** Removes those records that turn out to be in the log: an append that failed in doubt may have taken effect. */
  reconcile(entries: readonly LogEntry[]): void {
    const found = new Set<number>();
    for (const record of [...this.#records]) {
      const { after, before = Infinity, payload } = record;
      if (!record.isUncertain || after === undefined) continue;
      // What the log acknowledged to this process is another message, even if it reads the same.
      const entry = entries.find(
        (candidate) =>
          candidate.seq > after &&
          candidate.seq < before &&
          candidate.payload === payload &&
          !found.has(candidate.seq),
      );
      if (entry === undefined) continue;
      found.add(entry.seq);
      this.#found(record, entry.seq);
    }
  }

  /** The record is in the log after all; those before it, and what was lost there, have their place before it. */
  #found(record: UnstoredRecord, seq: number): void {
    // Found before: only the losses of others are left here.
    if (!record.isUncertain || !this.#records.includes(record)) return;
    for (const earlier of this.#records) {
      if ((earlier.before ?? Infinity) > seq) earlier.before = seq;
      if (earlier === record) break;
    }
    record.isUncertain = false;
    record.isAwaited = false;
    record.isResponse = false;
    if (record.payload === undefined) record.missed -= 1;
    this.#memory.empty(record);
    if (record.missed === 0) this.remove(record);
  }

  /** @param missed so many losses are counted at the next record instead. */
  remove(record: UnstoredRecord, missed = 0): void {
    const index = this.#records.indexOf(record);
    if (index === -1) return;
    this.#records.splice(index, 1);
    // First, as the memory may rearrange what is left when it is told.
    const next = this.#records[index];
    if (next !== undefined) next.missed += missed;
    this.#memory.remove(record);
  }

  /** Counts losses in the same place at the last record there, but for those that may yet turn out to be in the log. */
  joinLosses(): void {
    for (const record of [...this.#records]) {
      const next = this.#records[this.#records.indexOf(record) + 1];
      if (next === undefined || next.before !== record.before) continue;
      if (!record.isAwaited && !record.isResponse) this.remove(record, record.missed);
    }
  }

  clear(): void {
    for (const record of this.#records.splice(0)) this.#memory.remove(record);
  }
}
