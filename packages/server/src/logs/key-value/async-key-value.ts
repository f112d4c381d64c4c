// Defines the key-value protocol below the key-value log, and what its adapters share.

import { EventStoreError } from "../../log/errors.js";

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

/** Whether something that a backend gave back is a JSON object, and not what is left of a torn one. */
export function isRecord(value: unknown): value is Record<string, JsonValue> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** @throws {EventStoreError} `invalid-option` when the ttl is not a number of seconds above 0. */
export function checkTtl(ttl: number | undefined): void {
  if (ttl === undefined || ttl > 0) return;
  throw new EventStoreError("invalid-option", `ttl must be a number of seconds above 0, not ${ttl}.`);
}

/** Puts a value together with the seconds that it has left. */
export function withTtl(value: KeyValueRecord, expiresAt: number | undefined, now: number): KeyValueWithTtl {
  return { value, ttl: expiresAt === undefined ? null : Math.max(0, (expiresAt - now) / 1000) };
}

/*
 * Backends take fewer keys than the protocol allows: unstorage strips and rewrites separators (`:`, `/`, `\`, `?`),
 * refuses `.` and `..` and hides what ends in `$`; file systems fold case and know names such as `con`; SQL tables and
 * memcached end at about 250 characters. So a key is written in lower-case letters, digits, `-`, `_` and `=`, short
 * enough for all of them, and such that different keys stay different.
 */
const LONGEST_KEY = 128;
const LONGEST_COLLECTION = 48;
const UNSAFE_UNIT = /[^a-z0-9_-]/g;

/** A key of a collection, as the two parts of a name that every backend takes. */
export async function safeKey(
  collection: string | undefined,
  key: string,
): Promise<readonly [string, string]> {
  const collectionPart = collection === undefined ? "n" : await safePart(collection, LONGEST_COLLECTION);
  return [collectionPart, await safePart(key, LONGEST_KEY)];
}

async function safePart(text: string, longest: number): Promise<string> {
  // By UTF-16 units, so that lone surrogates stay different too.
  const escaped = text.replace(UNSAFE_UNIT, (unit) => `=${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
  // A prefix, so that nothing is empty, a reserved name, or equal to the hash of something else.
  return escaped.length <= longest ? `k-${escaped}` : `h-${await sha256(escaped)}`;
}

/** The first 160 bits: enough that nobody finds two keys with the same ones. */
async function sha256(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  let hex = "";
  for (const byte of new Uint8Array(digest, 0, 20)) hex += byte.toString(16).padStart(2, "0");
  return hex;
}
