// Keeps the log in this process's memory: the default, and the fastest.

import { type CheckedEvent, checkedLog, type LogDriver } from "../log/checked-log.js";
import { Place, RecencyList } from "../log/collections.js";
import { endedError } from "../log/errors.js";
import type { EventLog, LogPage, Position, Retention } from "../log/event-log.js";
import { pageOf, RetentionWindow } from "../log/retention-window.js";
import { randomId } from "../log/text.js";
import { checkClock, checkInteger } from "../log/validation.js";
import { WakeUps } from "../log/wake-ups.js";

export interface MemoryLogOptions {
  /**
   * How much the whole log may hold, in bytes: the payloads in UTF-8, and what events and streams take beside them
   * (about 110 bytes an event, 800 a stream), so that this is close to what the heap grows by.
   *
   * Past it, the streams that were neither appended to nor read for longest lose their oldest events first. They keep
   * their epoch and head, so that a reader learns how many events it missed; when such heads take more than half of
   * the budget, the streams silent for longest are forgotten. A stream that is too large alone loses its own oldest
   * events.
   *
   * @defaultValue 128 MiB
   */
  readonly maxTotalBytes?: number;
  /** The largest payload that `append` takes, in bytes of UTF-8. @defaultValue 16 MiB */
  readonly maxPayloadBytes?: number;
  /** The clock, in milliseconds. @defaultValue Date.now */
  readonly now?: () => number;
}

const DEFAULT_MAX_TOTAL_BYTES = 128 * 1024 * 1024;
/** What an event takes on the heap beside its payload, in bytes (measured: 102). */
const EVENT_OVERHEAD_BYTES = 110;
/** What a stream takes on the heap beside its name and events, in bytes (measured: 760). */
const STREAM_OVERHEAD_BYTES = 800;

/*
 * Streams that nobody touches any more must not keep what has expired. A timer would keep the process alive or need
 * its own closing; instead each append looks at the next few streams in turn. Two at a time, so that a lap ends even
 * when every append makes a new stream.
 */
const STREAMS_SWEPT_PER_APPEND = 2;
const EVENTS_SWEPT_PER_STREAM = 64;

/**
 * A log in this process's memory: the default, and the fastest. Its streams end with the process.
 *
 * An append takes constant time, a read takes time in proportion to its answer, whatever else the log holds. What
 * has expired is never returned, and its memory is given back in small steps by later appends; there is no timer.
 *
 * @throws {EventStoreError} `invalid-option`
 */
export function memoryLog(options: MemoryLogOptions = {}): EventLog {
  return checkedLog(options.maxPayloadBytes, () => new MemoryLog(options));
}

class MemoryLog implements LogDriver {
  readonly #maxTotalBytes: number;
  readonly #now: () => number;
  readonly #streams = new Map<string, MemoryStream>();
  /** Streams with events in the order of use, and streams without any in the order in which they fell silent. */
  readonly #full = new RecencyList<MemoryStream>();
  readonly #silent = new RecencyList<MemoryStream>();
  readonly #wakeUps = new WakeUps();
  #sweep: Iterator<MemoryStream> | undefined;
  #totalBytes = 0;
  /** How much of it the streams without events take. */
  #silentBytes = 0;
  #isClosed = false;

  constructor(options: MemoryLogOptions) {
    this.#maxTotalBytes = options.maxTotalBytes ?? DEFAULT_MAX_TOTAL_BYTES;
    this.#now = options.now ?? Date.now;
    checkInteger("maxTotalBytes", this.#maxTotalBytes, 1);
    checkClock(this.#now);
  }

  // The methods are async so that every failure is a rejection; each takes effect before it first gives way.
  // eslint-disable-next-line @typescript-eslint/require-await
  async append(name: string, { payload, bytes }: CheckedEvent, retention: Retention): Promise<Position> {
    const now = this.#now();
    const stream = this.#find(name, now) ?? this.#create(name, retention, now);
    if (stream.window.isEnded) throw endedError(name);
    this.#change(stream, () => stream.append(payload, bytes, retention, now));
    this.#sweepSome(now);
    this.#keepWithinBudget(stream);
    this.#wakeUps.wake(name);
    return { epoch: stream.epoch, seq: stream.window.head };
  }

  // eslint-disable-next-line @typescript-eslint/require-await
  async read(name: string, after: number, limit: number): Promise<LogPage | undefined> {
    const stream = this.#find(name, this.#now());
    if (stream !== undefined && stream.window.count > 0) this.#full.use(stream.place);
    return pageOf(stream, after, limit);
  }

  subscribe(name: string, wake: () => void): () => void {
    return this.#wakeUps.subscribe(name, wake);
  }

  // eslint-disable-next-line @typescript-eslint/require-await
  async end(name: string): Promise<void> {
    const stream = this.#find(name, this.#now());
    if (stream === undefined) return;
    stream.window.isEnded = true;
    this.#wakeUps.wake(name);
  }

  // eslint-disable-next-line @typescript-eslint/require-await
  async delete(name: string): Promise<void> {
    const stream = this.#streams.get(name);
    if (stream === undefined) return;
    this.#forget(stream);
    this.#wakeUps.wake(name);
  }

  // eslint-disable-next-line @typescript-eslint/require-await
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#streams.clear();
    this.#sweep = undefined;
    this.#wakeUps.close();
  }

  /** The stream as of now: without what has expired, or not at all when it is forgotten. */
  #find(name: string, now: number): MemoryStream | undefined {
    const stream = this.#streams.get(name);
    if (stream === undefined) return undefined;
    if (stream.window.isForgotten(now)) {
      this.#forget(stream);
      return undefined;
    }
    this.#change(stream, () => stream.window.expire(now));
    return stream;
  }

  #create(name: string, retention: Retention, now: number): MemoryStream {
    const stream = new MemoryStream(name, retention, now);
    this.#streams.set(name, stream);
    this.#silent.use(stream.place);
    this.#totalBytes += stream.cost;
    this.#silentBytes += stream.cost;
    return stream;
  }

  #forget(stream: MemoryStream): void {
    this.#streams.delete(stream.name);
    this.#totalBytes -= stream.cost;
    if (stream.window.count === 0) this.#silentBytes -= stream.cost;
    stream.place.list?.remove(stream.place);
  }

  /** Runs a change of a stream's events, and keeps the sums and the two lists true. */
  #change(stream: MemoryStream, change: () => void): void {
    const { cost, window } = stream;
    const { count, head } = window;
    change();
    this.#totalBytes += stream.cost - cost;
    if (count === 0) this.#silentBytes -= cost;
    if (window.count === 0) this.#silentBytes += stream.cost;
    const wasAppendedTo = window.head !== head;
    if (window.count > 0 && wasAppendedTo) this.#full.use(stream.place);
    else if (window.count === 0 && (count > 0 || wasAppendedTo)) this.#silent.use(stream.place);
  }

  #sweepSome(now: number): void {
    for (let swept = 0; swept < STREAMS_SWEPT_PER_APPEND; swept += 1) {
      this.#sweep ??= this.#streams.values();
      const next = this.#sweep.next();
      if (next.done === true) {
        this.#sweep = undefined;
        return;
      }
      const stream = next.value;
      if (stream.window.isForgotten(now)) this.#forget(stream);
      else this.#change(stream, () => stream.window.expire(now, EVENTS_SWEPT_PER_STREAM));
    }
  }

  #keepWithinBudget(current: MemoryStream): void {
    while (this.#totalBytes > this.#maxTotalBytes) {
      const full = this.#full.oldest;
      const silent = this.#silent.oldest;
      const hasManySilent = this.#silentBytes > this.#maxTotalBytes / 2;
      if (full !== undefined && full !== current) this.#change(full, () => full.window.dropOldest());
      else if (hasManySilent && silent !== undefined && silent !== current) this.#forget(silent);
      else if (current.window.count > 0) this.#change(current, () => current.window.dropOldest());
      else if (silent !== undefined && silent !== current) this.#forget(silent);
      else return;
    }
  }
}

/** One stream of the memory log. */
class MemoryStream {
  readonly name: string;
  readonly epoch = randomId();
  readonly place: Place<MemoryStream> = new Place<MemoryStream>(this);
  readonly window: RetentionWindow;

  constructor(name: string, retention: Retention, now: number) {
    this.name = name;
    this.window = new RetentionWindow(retention, 0, now);
  }

  /** What the stream counts against the budget of the whole log, in bytes. */
  get cost(): number {
    const { payloadBytes, count } = this.window;
    return STREAM_OVERHEAD_BYTES + 2 * this.name.length + payloadBytes + EVENT_OVERHEAD_BYTES * count;
  }

  append(payload: string, bytes: number, retention: Retention, now: number): void {
    this.window.retention = retention;
    this.window.push({ payload, bytes, at: this.window.timeOf(now) });
    this.window.trim();
  }
}
