// Keeps key-value pairs in this process's memory, for tests and small servers.

import { Place, RecencyList } from "../../log/collections.js";
import { checkClock, checkInteger } from "../../log/validation.js";
import {
  type AsyncKeyValue,
  checkTtl,
  type JsonValue,
  type KeyValueEntry,
  type KeyValueOptions,
  type KeyValuePutOptions,
  type KeyValueRecord,
  type KeyValueWithTtl,
  withTtl,
} from "./async-key-value.js";

export interface MemoryKeyValueOptions {
  /** How many keys are held; past it those written longest ago go. @defaultValue 1000000 */
  readonly maxEntries?: number;
  /** The clock, in milliseconds. @defaultValue Date.now */
  readonly now?: () => number;
}

const DEFAULT_MAX_ENTRIES = 1_000_000;
/** Each put looks at the next two entries in turn, so that what has expired goes without a timer. */
const ENTRIES_SWEPT_PER_PUT = 2;

/**
 * The key-value protocol in this process's memory: to try things out and for tests. As a log, `memoryLog()` is faster.
 *
 * @throws {EventStoreError} `invalid-option`
 */
export function memoryKeyValue(options: MemoryKeyValueOptions = {}): AsyncKeyValue {
  return new MemoryKeyValue(options);
}

interface Stored {
  readonly name: string;
  /** As JSON, so that nobody shares objects with the store. */
  readonly json: string;
  readonly expiresAt: number | undefined;
}

class MemoryKeyValue implements AsyncKeyValue {
  readonly #entries = new Map<string, Place<Stored>>();
  readonly #written = new RecencyList<Stored>();
  readonly #maxEntries: number;
  readonly #now: () => number;
  #sweep: Iterator<Place<Stored>> | undefined;

  constructor(options: MemoryKeyValueOptions) {
    this.#maxEntries = options.maxEntries ?? DEFAULT_MAX_ENTRIES;
    this.#now = options.now ?? Date.now;
    checkInteger("maxEntries", this.#maxEntries, 1);
    checkClock(this.#now);
  }

  // The methods are async so that every failure is a rejection.
  // eslint-disable-next-line @typescript-eslint/require-await
  async get(key: string, options: KeyValueOptions = {}): Promise<KeyValueRecord | undefined> {
    const stored = this.#find(nameOf(key, options));
    return stored === undefined ? undefined : parse(stored.json);
  }

  getMany(
    keys: readonly string[],
    options: KeyValueOptions = {},
  ): Promise<readonly (KeyValueRecord | undefined)[]> {
    return Promise.all(keys.map((key) => this.get(key, options)));
  }

  put(key: string, value: KeyValueRecord, options: KeyValuePutOptions = {}): Promise<void> {
    return this.putMany([{ key, value }], options);
  }

  // eslint-disable-next-line @typescript-eslint/require-await
  async putMany(entries: readonly KeyValueEntry[], options: KeyValuePutOptions = {}): Promise<void> {
    checkTtl(options.ttl);
    const expiresAt = options.ttl === undefined ? undefined : this.#now() + options.ttl * 1000;
    for (const { key, value } of entries) {
      const name = nameOf(key, options);
      this.#remove(name);
      const place = new Place<Stored>({ name, json: JSON.stringify(value), expiresAt });
      this.#entries.set(name, place);
      this.#written.use(place);
      this.#sweepSome();
    }
    while (this.#entries.size > this.#maxEntries) {
      const oldest = this.#written.oldest;
      if (oldest === undefined) return;
      this.#remove(oldest.name);
    }
  }

  delete(key: string, options: KeyValueOptions = {}): Promise<void> {
    return this.deleteMany([key], options);
  }

  // eslint-disable-next-line @typescript-eslint/require-await
  async deleteMany(keys: readonly string[], options: KeyValueOptions = {}): Promise<void> {
    for (const key of keys) this.#remove(nameOf(key, options));
  }

  // eslint-disable-next-line @typescript-eslint/require-await
  async ttl(key: string, options: KeyValueOptions = {}): Promise<KeyValueWithTtl | undefined> {
    const stored = this.#find(nameOf(key, options));
    if (stored === undefined) return undefined;
    return withTtl(parse(stored.json), stored.expiresAt, this.#now());
  }

  #find(name: string): Stored | undefined {
    const stored = this.#entries.get(name)?.item;
    if (stored?.expiresAt === undefined || stored.expiresAt > this.#now()) return stored;
    this.#remove(name);
    return undefined;
  }

  #remove(name: string): void {
    const place = this.#entries.get(name);
    if (place === undefined) return;
    this.#entries.delete(name);
    this.#written.remove(place);
  }

  #sweepSome(): void {
    for (let swept = 0; swept < ENTRIES_SWEPT_PER_PUT; swept += 1) {
      this.#sweep ??= this.#entries.values();
      const next = this.#sweep.next();
      if (next.done === true) {
        this.#sweep = undefined;
        return;
      }
      this.#find(next.value.item.name);
    }
  }
}

/** The length in front keeps every pair of collection and key apart, whatever is in them. */
function nameOf(key: string, { collection }: KeyValueOptions): string {
  return collection === undefined ? `-:${key}` : `${collection.length}:${collection}:${key}`;
}

function parse(json: string): KeyValueRecord {
  // Written by JSON.stringify from a record in putMany, and by nobody else.
  return JSON.parse(json) as Record<string, JsonValue>;
}
