// Adapts an unstorage instance to the key-value protocol.

import { EventStoreError } from "../../log/errors.js";
import { checkClock } from "../../log/validation.js";
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

/** What the adapter uses of unstorage 1.10 or later. */
export interface UnstorageLike {
  getItem(key: string): Promise<unknown>;
  getItems(keys: string[]): Promise<{ key: string; value: unknown }[]>;
  setItem(key: string, value: object, options?: { ttl?: number }): Promise<void>;
  setItems(items: { key: string; value: object; options?: { ttl?: number } }[]): Promise<void>;
  removeItem(key: string): Promise<void>;
}

export interface FromUnstorageOptions {
  /** The clock for the expiry that is stored with each value, in milliseconds. @defaultValue Date.now */
  readonly now?: () => number;
}

const NEEDED_METHODS = ["getItem", "getItems", "setItem", "setItems", "removeItem"] as const;

/*
 * The expiry stored with the value is the one that counts. The driver's own, where it has one, only clears away, so
 * that it may come late: Redis takes whole seconds, and Cloudflare KV refuses less than sixty.
 */
const SHORTEST_DRIVER_TTL_SECONDS = 60;

/**
 * The key-value protocol on an unstorage instance, and so on every driver of it that can write.
 *
 * Many drivers have no expiry (files, memory): each value carries its own, which is kept exactly. With such a driver
 * what an abandoned stream leaves behind is no longer readable, but takes its space until somebody removes it. The
 * instance stays the caller's: it is not disposed of.
 *
 * @throws {EventStoreError} `invalid-option` when it is not such an instance
 */
export function fromUnstorage(storage: UnstorageLike, options: FromUnstorageOptions = {}): AsyncKeyValue {
  const missing = NEEDED_METHODS.find((method) => typeof storage[method] !== "function");
  if (missing !== undefined) {
    throw new EventStoreError(
      "invalid-option",
      `storage must be an instance of unstorage 1.10 or later; it has no ${missing}.`,
    );
  }
  const now = options.now ?? Date.now;
  checkClock(now);
  return new UnstorageKeyValue(storage, now);
}

interface Found {
  readonly value: KeyValueRecord;
  readonly expiresAt: number | undefined;
}

class UnstorageKeyValue implements AsyncKeyValue {
  readonly #storage: UnstorageLike;
  readonly #now: () => number;

  constructor(storage: UnstorageLike, now: () => number) {
    this.#storage = storage;
    this.#now = now;
  }

  async get(key: string, options: KeyValueOptions = {}): Promise<KeyValueRecord | undefined> {
    return (await this.ttl(key, options))?.value;
  }

  async getMany(
    keys: readonly string[],
    options: KeyValueOptions = {},
  ): Promise<readonly (KeyValueRecord | undefined)[]> {
    if (keys.length === 0) return [];
    const names = await namesOf(keys, options);
    const items = await this.#storage.getItems(names);
    const values = new Map(items.map(({ key, value }) => [key, value]));
    return Promise.all(
      names.map(async (name) => {
        // The answer has an item for each key, absent or not. One without may just have come back by another name.
        const item = values.has(name) ? values.get(name) : await this.#storage.getItem(name);
        return this.#alive(item)?.value;
      }),
    );
  }

  async put(key: string, value: KeyValueRecord, options: KeyValuePutOptions = {}): Promise<void> {
    checkTtl(options.ttl);
    await this.#storage.setItem(
      await nameOf(key, options),
      this.#envelope(value, options),
      driverTtl(options),
    );
  }

  async putMany(entries: readonly KeyValueEntry[], options: KeyValuePutOptions = {}): Promise<void> {
    checkTtl(options.ttl);
    if (entries.length === 0) return;
    const items = entries.map(async ({ key, value }) => ({
      key: await nameOf(key, options),
      value: this.#envelope(value, options),
      options: driverTtl(options),
    }));
    await this.#storage.setItems(await Promise.all(items));
  }

  async delete(key: string, options: KeyValueOptions = {}): Promise<void> {
    await this.#storage.removeItem(await nameOf(key, options));
  }

  async deleteMany(keys: readonly string[], options: KeyValueOptions = {}): Promise<void> {
    await Promise.all(keys.map((key) => this.delete(key, options)));
  }

  async ttl(key: string, options: KeyValueOptions = {}): Promise<KeyValueWithTtl | undefined> {
    const found = this.#alive(await this.#storage.getItem(await nameOf(key, options)));
    return found === undefined ? undefined : withTtl(found.value, found.expiresAt, this.#now());
  }

  #envelope(value: KeyValueRecord, { ttl }: KeyValuePutOptions): KeyValueRecord {
    return { value, expiresAt: ttl === undefined ? null : this.#now() + ttl * 1000 };
  }

  /** What is there and has not expired. It is not removed here: a newer value may be on its way to the same key. */
  #alive(item: unknown): Found | undefined {
    // What a crash left half-written comes back as a string, or not at all.
    if (!isRecord(item) || !isRecord(item.value)) return undefined;
    const expiresAt = typeof item.expiresAt === "number" ? item.expiresAt : undefined;
    if (expiresAt !== undefined && expiresAt <= this.#now()) return undefined;
    return { value: item.value, expiresAt };
  }
}

async function nameOf(key: string, { collection }: KeyValueOptions): Promise<string> {
  return (await safeKey(collection, key)).join(":");
}

function namesOf(keys: readonly string[], options: KeyValueOptions): Promise<string[]> {
  return Promise.all(keys.map((key) => nameOf(key, options)));
}

function driverTtl({ ttl }: KeyValuePutOptions): { ttl?: number } {
  return ttl === undefined ? {} : { ttl: Math.max(SHORTEST_DRIVER_TTL_SECONDS, Math.ceil(ttl)) };
}
