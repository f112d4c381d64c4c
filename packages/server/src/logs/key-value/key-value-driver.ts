// Writes the events and heads of the key-value log, and runs the calls on each stream in the order in which they were
// made.

import type { CheckedEvent, LogDriver } from "../../log/checked-log.js";
import { endedError } from "../../log/errors.js";
import type { LogPage, Position, Retention } from "../../log/event-log.js";
import { type Lane, Lanes } from "../../log/lanes.js";
import { forgetAfterMs } from "../../log/retention-window.js";
import { randomId } from "../../log/text.js";
import { WakeUps } from "../../log/wake-ups.js";
import type { KeyValueBackend } from "./backend.js";
import { KeyValueReader } from "./reader.js";
import { KeyValueStream } from "./stream.js";

/** Appends that wait for the one before them are written together, up to so many. */
const EVENTS_PER_WRITE = 64;

/** Dropped events are deleted when there are so many of them, at most so many at a time. */
const EVENTS_TO_REMOVE_MIN = 32;
const EVENTS_TO_REMOVE_MAX = 256;

export interface KeyValueDriverOptions {
  readonly maxOpenStreams: number;
  readonly maxPendingBytes: number;
  readonly now: () => number;
}

export class KeyValueDriver implements LogDriver {
  readonly #backend: KeyValueBackend;
  readonly #lanes: Lanes<KeyValueStream>;
  readonly #reader: KeyValueReader;
  readonly #wakeUps = new WakeUps();
  readonly #now: () => number;
  readonly #removals = new Set<Promise<void>>();
  /** Another one after each write that failed: then no segment is gone on with in which something may still land. */
  #id = randomId();

  constructor(backend: KeyValueBackend, options: KeyValueDriverOptions) {
    const { maxOpenStreams, maxPendingBytes, now } = options;
    this.#backend = backend;
    this.#lanes = new Lanes({
      maxIdle: maxOpenStreams,
      storage: "the key-value store",
      maxPendingBytes,
      maxEvents: EVENTS_PER_WRITE,
      store: (lane, events, retention) => this.#write(lane, events, retention),
    });
    this.#reader = new KeyValueReader(backend, this.#lanes, now);
    this.#now = now;
  }

  append(name: string, event: CheckedEvent, retention: Retention): Promise<Position> {
    return this.#lanes.append(name, event, retention);
  }

  read(name: string, after: number, limit: number): Promise<LogPage | undefined> {
    return this.#reader.read(name, after, limit);
  }

  subscribe(name: string, wake: () => void): () => void {
    return this.#wakeUps.subscribe(name, wake);
  }

  async end(name: string): Promise<void> {
    await this.#lanes.change(name, async (lane) => {
      const stream = await this.#load(lane);
      if (stream === undefined || stream.window.isEnded || stream.window.isForgotten(this.#now())) return;
      const { head, lastAppendAt, retention } = stream.window;
      await this.#change(lane, stream, async () => {
        const record = stream.nextHead(head, retention, lastAppendAt, true);
        await this.#backend.writeHead(name, record, forgetAfterMs(retention, true));
      });
      await this.#applied(lane, stream, retention, true);
      this.#wakeUps.wake(name);
    });
  }

  async delete(name: string): Promise<void> {
    await this.#lanes.change(name, async (lane) => {
      const stream = await this.#load(lane);
      lane.state = undefined;
      if (stream === undefined) return;
      await this.#backend.removeHead(name);
      this.#wakeUps.wake(name);
      await this.#removeAll(stream);
    });
  }

  /** What was asked for before is still done. */
  async close(): Promise<void> {
    this.#wakeUps.close();
    await this.#lanes.settled();
    await Promise.all(this.#removals);
  }

  /** @returns the position of the last event. */
  async #write(
    lane: Lane<KeyValueStream>,
    events: readonly CheckedEvent[],
    retention: Retention,
  ): Promise<Position> {
    const now = this.#now();
    const stream = await this.#loadOrCreate(lane, retention, now);
    if (stream.window.isEnded) throw endedError(lane.name);
    const { window } = stream;
    // By the limit that held until now, and before the head is written, so that nothing comes back after a restart.
    window.expire(now);
    const first = window.head + 1;
    const at = window.timeOf(now);
    await this.#change(lane, stream, async () => {
      const head = stream.nextHead(window.head + events.length, retention, at, false);
      const entries = events.map(({ payload }, index) => ({
        key: stream.keyOf(first + index),
        event: { at, payload },
      }));
      const results = await Promise.allSettled([
        this.#backend.writeEvents(entries, retention.ttlMs),
        this.#backend.writeHead(lane.name, head, forgetAfterMs(retention, false)),
      ]);
      for (const result of results) if (result.status === "rejected") throw result.reason;
    });
    await this.#applied(lane, stream, retention, false);
    for (const { bytes } of events) {
      window.push({ bytes, at });
      window.trim();
    }
    this.#removeDropped(stream);
    this.#wakeUps.wake(lane.name);
    return { epoch: stream.epoch, seq: window.head };
  }

  async #load(lane: Lane<KeyValueStream>): Promise<KeyValueStream | undefined> {
    if (lane.state?.isOwned === true) return lane.state;
    const now = this.#now();
    lane.state = await KeyValueStream.load(this.#backend, lane.name, lane.state, now, () => undefined);
    return lane.state;
  }

  async #loadOrCreate(
    lane: Lane<KeyValueStream>,
    retention: Retention,
    now: number,
  ): Promise<KeyValueStream> {
    const stream = await this.#load(lane);
    if (stream !== undefined && !stream.window.isForgotten(now)) return stream;
    if (stream !== undefined) this.#track(this.#removeAll(stream));
    lane.state = undefined;
    return KeyValueStream.create(retention, this.#id, now);
  }

  /** Runs a write of the head. After a failure nothing is known of the stream any more: it is loaded again. */
  async #change(
    lane: Lane<KeyValueStream>,
    stream: KeyValueStream,
    write: () => Promise<void>,
  ): Promise<void> {
    try {
      stream.own(this.#id);
      await write();
      stream.isOwned = true;
      lane.state = stream;
    } catch (error) {
      this.#id = randomId();
      lane.state = undefined;
      // It may have happened all the same, so followers look for themselves.
      this.#wakeUps.wake(lane.name);
      throw error;
    }
  }

  /**
   * Takes over what the head now says. If it expires sooner than the one before it, that one must go: it would come to
   * light again, and with it a stream that had been forgotten.
   */
  async #applied(
    lane: Lane<KeyValueStream>,
    stream: KeyValueStream,
    retention: Retention,
    isEnded: boolean,
  ): Promise<void> {
    const { window, version } = stream;
    const before = forgetAfterMs(window.retention, window.isEnded) ?? Infinity;
    window.retention = retention;
    window.isEnded = isEnded;
    if ((forgetAfterMs(retention, isEnded) ?? Infinity) >= before) return;
    await this.#backend.removeOtherHead(lane.name, version).catch(() => undefined);
  }

  #removeDropped(stream: KeyValueStream): void {
    const first = stream.oldest;
    const last = Math.min(stream.lastToRemove, first + EVENTS_TO_REMOVE_MAX - 1);
    if (stream.isRemoving || last - first + 1 < EVENTS_TO_REMOVE_MIN) return;
    stream.isRemoving = true;
    const removal = this.#backend.removeEvents(stream.keysOf(first, last)).then(() => {
      stream.oldest = last + 1;
    });
    this.#track(
      removal.finally(() => {
        stream.isRemoving = false;
      }),
    );
  }

  async #removeAll(stream: KeyValueStream): Promise<void> {
    const { head } = stream.window;
    for (let first = stream.oldest; first <= head; first += EVENTS_TO_REMOVE_MAX) {
      await this.#backend.removeEvents(
        stream.keysOf(first, Math.min(head, first + EVENTS_TO_REMOVE_MAX - 1)),
      );
    }
  }

  /** Removals beside the appends may fail: what they leave is tried again later, or goes by its ttl. */
  #track(removal: Promise<void>): void {
    const tracked: Promise<void> = removal
      .catch(() => undefined)
      .finally(() => this.#removals.delete(tracked));
    this.#removals.add(tracked);
  }
}
