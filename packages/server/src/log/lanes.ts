// Runs the calls on each stream in order, stores the appends that wait for it together, and bounds what waits.

import type { CheckedEvent } from "./checked-log.js";
import { Place, RecencyList } from "./collections.js";
import { EventStoreError } from "./errors.js";
import type { Position, Retention } from "./event-log.js";
import { isSameRetention } from "./retention-window.js";

/** What an event that waits takes beside its payload, in bytes: a round figure, so that empty ones are bounded too. */
const PENDING_EVENT_BYTES = 500;

/** Counts the bytes that wait to be stored, over all streams, and refuses more than so many. */
export class PendingBytes {
  readonly #storage: string;
  readonly #max: number;
  #bytes = 0;

  /**
   * @param storage what the events wait for, for the error's message.
   * @param max the log's option `maxPendingBytes`.
   */
  constructor(storage: string, max: number) {
    this.#storage = storage;
    this.#max = max;
  }

  /**
   * An event is to wait. One alone always may, whatever its size.
   *
   * @throws {EventStoreError} `overloaded` when there is no room for it; then it is not counted.
   */
  admit(stream: string, payloadBytes: number): void {
    const bytes = payloadBytes + PENDING_EVENT_BYTES;
    if (this.#bytes > 0 && this.#bytes + bytes > this.#max) {
      throw new EventStoreError(
        "overloaded",
        `Nothing was stored in ${JSON.stringify(stream)}: ${this.#bytes} bytes already wait for ${this.#storage}, and ` +
          `maxPendingBytes is ${this.#max}. Wait for appends to be answered, or raise maxPendingBytes.`,
      );
    }
    this.#bytes += bytes;
  }

  /** An event that was admitted is answered, well or badly. */
  release(payloadBytes: number): void {
    this.#bytes -= payloadBytes + PENDING_EVENT_BYTES;
  }
}

/** One stream's queue of work, and what is known of the stream. */
export class Lane<T> {
  readonly name: string;
  readonly place: Place<Lane<T>> = new Place<Lane<T>>(this);
  /** What the log knows of the stream, for as long as the lane is kept. */
  state: T | undefined;
  #waiting = 0;
  #last: Promise<unknown> = Promise.resolve();

  constructor(name: string) {
    this.name = name;
  }

  get isIdle(): boolean {
    return this.#waiting === 0;
  }

  /** Resolves when all work that has been given so far is done, well or badly. */
  get settled(): Promise<unknown> {
    return this.#last;
  }

  run<R>(work: () => Promise<R>): Promise<R> {
    this.#waiting += 1;
    const result = this.#last.then(work);
    const done = () => {
      this.#waiting -= 1;
    };
    this.#last = result.then(done, done);
    return result;
  }
}

/** Appends of one stream that are stored together. */
interface Batch {
  readonly events: CheckedEvent[];
  readonly retention: Retention;
  bytes: number;
  /** The position of the last event. */
  readonly stored: Promise<Position>;
}

const DEFAULT_MAX_EVENTS = 256;
const DEFAULT_MAX_BYTES = 1024 * 1024;

export interface LanesOptions<T> {
  /** How many streams without calls are remembered, with what is known of them. @defaultValue 0 */
  readonly maxIdle?: number;
  /** What the events wait for, for messages. */
  readonly storage: string;
  /** How much may wait at a time, in bytes: the payloads, and about 500 bytes for each. */
  readonly maxPendingBytes: number;
  /** How many events are stored together at most. @defaultValue 256 */
  readonly maxEvents?: number;
  /** How many bytes of payloads are stored together at most; a larger event is stored alone. @defaultValue 1 MiB */
  readonly maxBytes?: number;
  /**
   * Stores events of one stream, all or none, when it is their turn.
   *
   * @returns the position of the last one.
   */
  readonly store: (lane: Lane<T>, events: readonly CheckedEvent[], retention: Retention) => Promise<Position>;
}

/**
 * The calls on a log's streams: those on one stream run one after the other, in the order in which they were made, and
 * appends that wait for the call before them are stored together.
 *
 * At most so many idle lanes are kept; those not used for longest are forgotten, with what was known of their streams.
 */
export class Lanes<T> {
  readonly #options: LanesOptions<T>;
  readonly #maxIdle: number;
  readonly #pending: PendingBytes;
  readonly #lanes = new Map<string, Lane<T>>();
  readonly #used = new RecencyList<Lane<T>>();
  /** The batches that still take appends: not started, and with no other change queued behind them. */
  readonly #openBatches = new Map<string, Batch>();

  constructor(options: LanesOptions<T>) {
    this.#options = options;
    this.#maxIdle = options.maxIdle ?? 0;
    this.#pending = new PendingBytes(options.storage, options.maxPendingBytes);
  }

  /** @throws {EventStoreError} `overloaded`; what `store` throws. */
  async append(name: string, event: CheckedEvent, retention: Retention): Promise<Position> {
    this.#pending.admit(name, event.bytes);
    try {
      const batch = this.#batchFor(name, event, retention);
      const index = batch.events.push(event) - 1;
      batch.bytes += event.bytes;
      const { epoch, seq } = await batch.stored;
      return { epoch, seq: seq - (batch.events.length - 1) + index };
    } finally {
      this.#pending.release(event.bytes);
    }
  }

  /** Runs another change: what is appended after it is not stored together with what was appended before. */
  change<R>(name: string, work: (lane: Lane<T>) => Promise<R>): Promise<R> {
    this.#openBatches.delete(name);
    return this.run(name, work);
  }

  /** Runs work that changes nothing, such as a read, when all that was asked for before is done. */
  run<R>(name: string, work: (lane: Lane<T>) => Promise<R>): Promise<R> {
    const lane = this.#lanes.get(name) ?? this.#create(name);
    this.#used.use(lane.place);
    const result = lane.run(() => work(lane));
    void lane.settled.then(() => this.#forgetUnused(lane));
    return result;
  }

  /** What is known of a stream, if anything. */
  peek(name: string): T | undefined {
    const lane = this.#lanes.get(name);
    if (lane !== undefined) this.#used.use(lane.place);
    return lane?.state;
  }

  /** Resolves when all work that a stream has been given so far is done; `undefined` when there is none. */
  settledOf(name: string): Promise<unknown> | undefined {
    return this.#lanes.get(name)?.settled;
  }

  async settled(): Promise<void> {
    await Promise.all([...this.#lanes.values()].map((lane) => lane.settled));
  }

  #batchFor(name: string, event: CheckedEvent, retention: Retention): Batch {
    const { maxEvents = DEFAULT_MAX_EVENTS, maxBytes = DEFAULT_MAX_BYTES } = this.#options;
    const open = this.#openBatches.get(name);
    if (
      open !== undefined &&
      isSameRetention(open.retention, retention) &&
      open.events.length < maxEvents &&
      open.bytes + event.bytes <= maxBytes
    ) {
      return open;
    }
    return this.#openBatch(name, retention);
  }

  #openBatch(name: string, retention: Retention): Batch {
    const events: CheckedEvent[] = [];
    const stored = this.run(name, (lane) => {
      if (this.#openBatches.get(name) === batch) this.#openBatches.delete(name);
      return this.#options.store(lane, events, retention);
    });
    const batch: Batch = { events, retention, bytes: 0, stored };
    this.#openBatches.set(name, batch);
    return batch;
  }

  #create(name: string): Lane<T> {
    const lane = new Lane<T>(name);
    this.#lanes.set(name, lane);
    return lane;
  }

  #forgetUnused(done: Lane<T>): void {
    if (done.isIdle && done.state === undefined) this.#forget(done);
    // Lanes at work are passed over, each at most once, since they become the newest.
    for (let seen = this.#lanes.size; seen > 0 && this.#lanes.size > this.#maxIdle; seen -= 1) {
      const oldest = this.#used.oldest;
      if (oldest === undefined) return;
      if (oldest.isIdle) this.#forget(oldest);
      else this.#used.use(oldest.place);
    }
  }

  #forget(lane: Lane<T>): void {
    if (this.#lanes.get(lane.name) === lane) this.#lanes.delete(lane.name);
    this.#used.remove(lane.place);
  }
}
