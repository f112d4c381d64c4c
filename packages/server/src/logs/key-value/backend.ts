// Keeps the records of the key-value log in its store: one for each event, and for each stream a small head.

import { EventStoreError } from "../../log/errors.js";
import type { Retention } from "../../log/event-log.js";
import { begin, within } from "../../log/waits.js";
import type { AsyncKeyValue, JsonValue, KeyValueRecord } from "./async-key-value.js";

export interface EventToWrite {
  readonly key: string;
  readonly event: StoredEvent;
}

/**
 * The key-value store as the log sees it: heads and events, within a time limit, with every failure an
 * {@link EventStoreError}.
 */
export class KeyValueBackend {
  readonly #keyValue: AsyncKeyValue;
  readonly #heads: string;
  readonly #events: string;
  readonly #timeoutMs: number;

  constructor(keyValue: AsyncKeyValue, collection: string, timeoutMs: number) {
    this.#keyValue = keyValue;
    this.#heads = `${collection}-heads`;
    this.#events = `${collection}-events`;
    this.#timeoutMs = timeoutMs;
  }

  /** The newest head of a stream. Of the two places one may be torn, if a crash interrupted its writing. */
  async readHead(stream: string): Promise<HeadRecord | undefined> {
    const records = await this.#read("the head of a stream", () =>
      this.#keyValue.getMany([headKey(stream, 0), headKey(stream, 1)], { collection: this.#heads }),
    );
    const [even, odd] = [decodeHead(records[0]), decodeHead(records[1])];
    if (even === undefined || odd === undefined) return even ?? odd;
    return isNewer(even, odd) ? even : odd;
  }

  async writeHead(stream: string, head: HeadRecord, ttlMs: number | null): Promise<void> {
    await this.#write("the head of a stream", () =>
      this.#keyValue.put(headKey(stream, head.version), encodeHead(head), {
        collection: this.#heads,
        ...ttlOption(ttlMs),
      }),
    );
  }

  /** Removes the place that the head of a version was not written to. */
  async removeOtherHead(stream: string, version: number): Promise<void> {
    await this.#write("the removal of an older head", () =>
      this.#keyValue.delete(headKey(stream, version + 1), { collection: this.#heads }),
    );
  }

  async removeHead(stream: string): Promise<void> {
    await this.#write("the removal of a stream", () =>
      this.#keyValue.deleteMany([headKey(stream, 0), headKey(stream, 1)], { collection: this.#heads }),
    );
  }

  async readEvents(keys: readonly string[]): Promise<readonly (StoredEvent | undefined)[]> {
    if (keys.length === 0) return [];
    const records = await this.#read("events", () =>
      this.#keyValue.getMany(keys, { collection: this.#events }),
    );
    return keys.map((_, index) => decodeEvent(records[index]));
  }

  async writeEvents(events: readonly EventToWrite[], ttlMs: number | null): Promise<void> {
    const options = { collection: this.#events, ...ttlOption(ttlMs) };
    const entries = events.map(({ key, event }) => ({ key, value: encodeEvent(event) }));
    const [first] = entries;
    await this.#write("events", () =>
      first !== undefined && entries.length === 1
        ? this.#keyValue.put(first.key, first.value, options)
        : this.#keyValue.putMany(entries, options),
    );
  }

  async removeEvents(keys: readonly string[]): Promise<void> {
    await this.#write("the removal of events", () =>
      this.#keyValue.deleteMany(keys, { collection: this.#events }),
    );
  }

  #read<T>(what: string, operation: () => Promise<T>): Promise<T> {
    return this.#run(`read ${what}`, false, operation);
  }

  #write<T>(what: string, operation: () => Promise<T>): Promise<T> {
    return this.#run(`take ${what}`, true, operation);
  }

  async #run<T>(what: string, mayHaveHappened: boolean, operation: () => Promise<T>): Promise<T> {
    const late = () => {
      const message = `The key-value store did not ${what} within ${this.#timeoutMs} ms.`;
      return new EventStoreError("timeout", message, { mayHaveHappened });
    };
    try {
      return await within(begin(operation), this.#timeoutMs, late);
    } catch (cause) {
      if (cause instanceof EventStoreError && cause.code === "timeout") throw cause;
      throw new EventStoreError("backend", `The key-value store failed to ${what}.`, {
        cause,
        mayHaveHappened,
      });
    }
  }
}

function headKey(stream: string, version: number): string {
  return `${version % 2}${stream}`;
}

function isNewer(one: HeadRecord, other: HeadRecord): boolean {
  return one.bornAt === other.bornAt ? one.version > other.version : one.bornAt > other.bornAt;
}

/** A second more than the log itself counts, so that the backend never takes away what the log still promises. */
function ttlOption(ttlMs: number | null): { ttl?: number } {
  return ttlMs === null || ttlMs === Infinity ? {} : { ttl: Math.ceil(ttlMs / 1000) + 1 };
}

/**
 * A run of events written by one writer under one random prefix. A write that failed, or whose process died, may reach
 * the backend later all the same: then it lands in a segment that has been closed, behind its end, where nobody looks.
 */
export interface Segment {
  readonly id: string;
  /** The seq of its first event. It goes on until the next segment begins. */
  readonly from: number;
}

export interface HeadRecord {
  readonly epoch: string;
  /** When the stream was created: a record of an earlier stream of the same name never wins over a later one. */
  readonly bornAt: number;
  /** Grows with every write. Even and odd ones are written to two places in turn. */
  readonly version: number;
  readonly writer: string;
  readonly segments: readonly Segment[];
  /** The lowest seq whose event may still be stored. */
  readonly oldest: number;
  /** The lowest seq that retention had left when this was written. */
  readonly floor: number;
  /** Every event up to this one was stored when this was written. */
  readonly acknowledged: number;
  /** The events up to this one were written together with this record: some of them may be missing. */
  readonly intended: number;
  readonly lastAppendAt: number;
  readonly retention: Retention;
  readonly isEnded: boolean;
}

export interface StoredEvent {
  readonly at: number;
  readonly payload: string;
}

const FORMAT = 1;

export function encodeHead(head: HeadRecord): KeyValueRecord {
  const { segments, retention, ...rest } = head;
  return { format: FORMAT, ...rest, ...retention, segments: segments.map(({ id, from }) => [id, from]) };
}

/** @returns `undefined` for what no writer of this format has written whole, such as a torn file. */
export function decodeHead(record: KeyValueRecord | undefined): HeadRecord | undefined {
  if (record?.format !== FORMAT) return undefined;
  const { epoch, bornAt, version, writer, oldest, floor, acknowledged, intended, lastAppendAt, isEnded } =
    record;
  const { maxEvents, maxBytes, ttlMs, headTtlMs } = record;
  const segments = decodeSegments(record.segments);
  const isWhole =
    typeof epoch === "string" &&
    typeof writer === "string" &&
    typeof isEnded === "boolean" &&
    isNumber(bornAt) &&
    isNumber(version) &&
    isNumber(oldest) &&
    isNumber(floor) &&
    isNumber(acknowledged) &&
    isNumber(intended) &&
    isNumber(lastAppendAt) &&
    isLimit(maxEvents) &&
    isLimit(maxBytes) &&
    isLimit(ttlMs) &&
    isLimit(headTtlMs);
  if (!isWhole || segments === undefined) return undefined;
  const retention = { maxEvents, maxBytes, ttlMs, headTtlMs };
  const places = { oldest, floor, acknowledged, intended };
  return { epoch, bornAt, version, writer, segments, ...places, lastAppendAt, retention, isEnded };
}

function decodeSegments(value: JsonValue | undefined): readonly Segment[] | undefined {
  if (!Array.isArray(value) || value.length === 0) return undefined;
  const segments: Segment[] = [];
  for (const pair of value as readonly JsonValue[]) {
    if (!Array.isArray(pair)) return undefined;
    const [id, from] = pair as readonly JsonValue[];
    if (typeof id !== "string" || typeof from !== "number") return undefined;
    segments.push({ id, from });
  }
  return segments;
}

function isNumber(value: JsonValue | undefined): value is number {
  return typeof value === "number";
}

function isLimit(value: JsonValue | undefined): value is number | null {
  return value === null || typeof value === "number";
}

export function encodeEvent({ at, payload }: StoredEvent): KeyValueRecord {
  return { at, payload };
}

/** @returns `undefined` for an event that is not there, or not whole. */
export function decodeEvent(record: KeyValueRecord | undefined): StoredEvent | undefined {
  if (typeof record?.at !== "number" || typeof record.payload !== "string") return undefined;
  return { at: record.at, payload: record.payload };
}
