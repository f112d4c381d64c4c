// Adapts a Keyv instance to the key-value protocol.

import { EventStoreError } from "../../log/errors.js";
import {
  type AsyncKeyValue,
  checkTtl,
  isRecord,
  type KeyValueEntry,
  type KeyValueOptions,
  type KeyValuePutOptions,
  type KeyValueRecord,
  type KeyValueWithTtl,
  safeKey,
  withTtl,
} from "./async-key-value.js";

interface KeyvData {
  readonly value?: unknown;
  readonly expires?: number | null | undefined;
}

/** What the adapter uses of Keyv 5 (5.5 or later). */
export interface KeyvLike {
  /** Keyv's own store; only whether it has a `getMany` matters. */
  readonly store: unknown;
  getRaw(key: string): Promise<KeyvData | undefined>;
  getMany(keys: string[], options: { raw: true }): Promise<(KeyvData | undefined)[]>;
  set(key: string, value: unknown, ttl?: number): Promise<boolean>;
  setMany(entries: { key: string; value: unknown; ttl?: number }[]): Promise<unknown>;
  delete(key: string): Promise<boolean>;
  deleteMany(keys: string[]): Promise<boolean>;
}

const NEEDED_METHODS = ["getRaw", "getMany", "set", "setMany", "delete", "deleteMany"] as const;

/**
 * The key-value protocol on a Keyv 5 instance (5.5 or later), and so on every store that Keyv has an adapter for.
 *
 * Keyv answers failures with `false` or with nothing unless its `throwOnErrors` is set; the adapter turns them into
 * rejections either way, but with `throwOnErrors: true` they carry their cause. The instance stays the caller's: it is
 * neither configured nor disconnected.
 *
 * @throws {EventStoreError} `invalid-option` when it is not such an instance
 */
export function fromKeyv(keyv: KeyvLike): AsyncKeyValue {
  const missing = NEEDED_METHODS.find((method) => typeof keyv[method] !== "function");
  if (missing !== undefined) {
    throw new EventStoreError(
      "invalid-option",
      `keyv must be an instance of Keyv 5.5 or later; it has no ${missing}.`,
    );
  }
  return new KeyvKeyValue(keyv);
}

class KeyvKeyValue implements AsyncKeyValue {
  readonly #keyv: KeyvLike;

  constructor(keyv: KeyvLike) {
    this.#keyv = keyv;
  }

  async get(key: string, options: KeyValueOptions = {}): Promise<KeyValueRecord | undefined> {
    return (await this.ttl(key, options))?.value;
  }

  async getMany(
    keys: readonly string[],
    options: KeyValueOptions = {},
  ): Promise<readonly (KeyValueRecord | undefined)[]> {
    const names = await namesOf(keys, options);
    // Without a getMany of the store, Keyv's own takes every failed read for an absent key.
    const found = hasGetMany(this.#keyv.store)
      ? await this.#keyv.getMany(names, { raw: true })
      : await Promise.all(names.map((name) => this.#keyv.getRaw(name)));
    return names.map((_, index) => recordOf(found[index]));
  }

  async put(key: string, value: KeyValueRecord, options: KeyValuePutOptions = {}): Promise<void> {
    checkTtl(options.ttl);
    const stored = await this.#keyv.set(await nameOf(key, options), value, milliseconds(options.ttl));
    if (!stored) throw failed("store a value");
  }

  async putMany(entries: readonly KeyValueEntry[], options: KeyValuePutOptions = {}): Promise<void> {
    checkTtl(options.ttl);
    const names = await namesOf(
      entries.map(({ key }) => key),
      options,
    );
    const ttl = milliseconds(options.ttl);
    const stored = await this.#keyv.setMany(
      // Every entry has its name: both lists come from the same one.
      entries.map(({ value }, index) => ({ key: names[index] ?? "", value, ttl })),
    );
    if (Array.isArray(stored) && stored.includes(false)) throw failed("store several values");
  }

  async delete(key: string, options: KeyValueOptions = {}): Promise<void> {
    const name = await nameOf(key, options);
    // `false` is the answer to an absent key as well as to a failure.
    if (await this.#keyv.delete(name)) return;
    if ((await this.get(key, options)) !== undefined) throw failed("delete a value");
  }

  async deleteMany(keys: readonly string[], options: KeyValueOptions = {}): Promise<void> {
    if (await this.#keyv.deleteMany(await namesOf(keys, options))) return;
    const left = await this.getMany(keys, options);
    if (left.some((value) => value !== undefined)) throw failed("delete several values");
  }

  async ttl(key: string, options: KeyValueOptions = {}): Promise<KeyValueWithTtl | undefined> {
    const data = await this.#keyv.getRaw(await nameOf(key, options));
    const value = recordOf(data);
    return value === undefined ? undefined : withTtl(value, data?.expires ?? undefined, Date.now());
  }
}

/*
 * No colon between the two parts: Keyv prefixes keys with its namespace and a colon, except, in some of its methods,
 * those that seem to have the prefix already.
 */
async function nameOf(key: string, { collection }: KeyValueOptions): Promise<string> {
  return (await safeKey(collection, key)).join(".");
}

function namesOf(keys: readonly string[], options: KeyValueOptions): Promise<string[]> {
  return Promise.all(keys.map((key) => nameOf(key, options)));
}

function hasGetMany(store: unknown): boolean {
  return typeof store === "object" && store !== null && "getMany" in store && store.getMany !== undefined;
}

function recordOf(data: KeyvData | undefined): KeyValueRecord | undefined {
  return isRecord(data?.value) ? data.value : undefined;
}

/** 0 is Keyv's word for no ttl at all, whatever its own default is. */
function milliseconds(ttl: number | undefined): number {
  return ttl === undefined ? 0 : Math.max(1, Math.ceil(ttl * 1000));
}

function failed(what: string): Error {
  return new Error(
    `Keyv could not ${what}. Set its throwOnErrors, or listen to its error event, for the cause.`,
  );
}
