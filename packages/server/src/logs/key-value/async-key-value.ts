/** A plain JSON value. */
export type JsonValue =
  null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue | undefined };

/** What a key-value store keeps under a key: a JSON object. Members that are `undefined` are not kept. */
export type KeyValueRecord = Readonly<Record<string, JsonValue | undefined>>;

export interface KeyValueOptions {
  /** A name space of its own: the same key in two collections is two keys. @defaultValue the unnamed collection */
  readonly collection?: string;
}

export interface KeyValuePutOptions extends KeyValueOptions {
  /** After so many seconds the key is gone. Greater than 0, fractions allowed. @defaultValue never */
  readonly ttl?: number;
}

export interface KeyValueEntry {
  readonly key: string;
  readonly value: KeyValueRecord;
}

export interface KeyValueWithTtl {
  readonly value: KeyValueRecord;
  /** The seconds that it has left; `null` when it has no end. */
  readonly ttl: number | null;
}

/**
 * The key-value protocol: what a backend must be able to do to hold event logs. The same operations as the
 * `AsyncKeyValue` of Python's py-key-value, which FastMCP's event store is built on.
 *
 * - A key and a collection are any strings, up to 4 kB each, the empty one included; different ones never meet.
 * - A `get` after a `put` was answered returns what was put, until its ttl has passed or it is deleted.
 * - A write replaces the whole value, and takes effect whole or not at all; the writes of one `putMany` need not do so
 *   together.
 * - Whatever fails is a rejection. A key that is not there is `undefined`, never an error, and never the other way
 *   round: a failure that looks like an absent key loses events.
 */
export interface AsyncKeyValue {
  get(key: string, options?: KeyValueOptions): Promise<KeyValueRecord | undefined>;
  /** The values in the order of the keys. */
  getMany(
    keys: readonly string[],
    options?: KeyValueOptions,
  ): Promise<readonly (KeyValueRecord | undefined)[]>;
  put(key: string, value: KeyValueRecord, options?: KeyValuePutOptions): Promise<void>;
  putMany(entries: readonly KeyValueEntry[], options?: KeyValuePutOptions): Promise<void>;
  /** Removes the key; one that is not there is no error. */
  delete(key: string, options?: KeyValueOptions): Promise<void>;
  deleteMany(keys: readonly string[], options?: KeyValueOptions): Promise<void>;
  /** The value with the time that it has left. */
  ttl(key: string, options?: KeyValueOptions): Promise<KeyValueWithTtl | undefined>;
}
