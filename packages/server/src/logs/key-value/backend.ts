import { EventStoreError } from "../../log/errors.js";
import type { AsyncKeyValue } from "./async-key-value.js";
import {
  decodeEvent,
  decodeHead,
  encodeEvent,
  encodeHead,
  type HeadRecord,
  type StoredEvent,
} from "./records.js";

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
    let timer: ReturnType<typeof setTimeout> | undefined;
    const timeout = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const message = `The key-value store did not ${what} within ${this.#timeoutMs} ms.`;
        reject(new EventStoreError("timeout", message, { mayHaveHappened }));
      }, this.#timeoutMs);
    });
    try {
      return await Promise.race([operation(), timeout]);
    } catch (cause) {
      if (cause instanceof EventStoreError && cause.code === "timeout") throw cause;
      throw new EventStoreError("backend", `The key-value store failed to ${what}.`, {
        cause,
        mayHaveHappened,
      });
    } finally {
      clearTimeout(timer);
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
  return ttlMs === null ? {} : { ttl: Math.ceil(ttlMs / 1000) + 1 };
}
