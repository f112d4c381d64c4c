// Opens the event log on any key-value store, and checks its options.

import { checkedLog } from "../../log/checked-log.js";
import { EventStoreError } from "../../log/errors.js";
import type { EventLog } from "../../log/event-log.js";
import { checkClock, checkInteger } from "../../log/validation.js";
import { MAX_TIMER_MS } from "../../log/waits.js";
import type { AsyncKeyValue } from "./async-key-value.js";
import { KeyValueBackend } from "./backend.js";
import { KeyValueDriver } from "./key-value-driver.js";

export interface KeyValueLogOptions {
  /** The collections of the log are named so, followed by `-heads` and `-events`. @defaultValue "resumable-mcp" */
  readonly collection?: string;
  /** How long one operation of the key-value store may take, in milliseconds. @defaultValue 10000 */
  readonly timeoutMs?: number;
  /**
   * Of how many streams this process remembers what it knows. Another one costs a few more reads when it is used
   * again: its head, and its events once, to learn their sizes and ages. @defaultValue 1000
   */
  readonly maxOpenStreams?: number;
  /**
   * How much may wait to be stored at a time, in bytes: the payloads, and about 500 bytes for each. Past it, `append`
   * fails with `overloaded`, and nothing of it is stored.
   *
   * @defaultValue 64 MiB
   */
  readonly maxPendingBytes?: number;
  /** The largest payload that `append` takes, in bytes of UTF-8. @defaultValue 16 MiB */
  readonly maxPayloadBytes?: number;
  /** The clock, in milliseconds. @defaultValue Date.now */
  readonly now?: () => number;
}

const NEEDED_METHODS = ["get", "getMany", "put", "putMany", "delete", "deleteMany", "ttl"] as const;

/**
 * A log on any key-value store.
 *
 * **One process at a time may append to a stream** (end it, delete it): a key-value store cannot arbitrate. Different
 * streams may belong to different processes, others may read them, and when a process has stopped, the next one goes
 * on with its streams under the same epoch. Wake-ups reach only subscribers in the process that appends.
 *
 * An append costs one round trip: the event is put under its own key, and beside it the small head of the stream,
 * whatever the stream's length; appends to one stream that come together share them. Events that retention has
 * dropped are deleted by the dozen. The time limits of {@link Retention} are given to the store as ttl, so that
 * abandoned streams go by themselves where it has expiry. A store that evicts keys before their time makes a gap, which
 * is reported as one.
 *
 * An append that fails leaves no hole. Whether it took effect is found out before the next one: `mayHaveHappened`
 * says that it may turn up.
 *
 * The store stays the caller's: it is not closed.
 *
 * @throws {EventStoreError} `invalid-option`
 */
export function keyValueLog(keyValue: AsyncKeyValue, options: KeyValueLogOptions = {}): EventLog {
  // A caller without types may give nothing at all.
  const given = keyValue as Partial<AsyncKeyValue> | null | undefined;
  const missing = NEEDED_METHODS.find((method) => typeof given?.[method] !== "function");
  if (missing !== undefined) {
    throw new EventStoreError(
      "invalid-option",
      `keyValue must be an AsyncKeyValue; it has no ${missing}. For Keyv and unstorage there are fromKeyv and fromUnstorage.`,
    );
  }
  return checkedLog(options.maxPayloadBytes, () => open(keyValue, options));
}

function open(keyValue: AsyncKeyValue, options: KeyValueLogOptions): KeyValueDriver {
  const {
    collection = "resumable-mcp",
    timeoutMs = 10_000,
    maxOpenStreams = 1000,
    maxPendingBytes = 64 * 1024 * 1024,
    now = Date.now,
  } = options;
  if (typeof collection !== "string") {
    throw new EventStoreError("invalid-option", `collection must be a string, not ${typeof collection}.`);
  }
  checkInteger("timeoutMs", timeoutMs, 1, MAX_TIMER_MS);
  checkInteger("maxOpenStreams", maxOpenStreams, 1);
  checkInteger("maxPendingBytes", maxPendingBytes, 1);
  checkClock(now);
  const backend = new KeyValueBackend(keyValue, collection, timeoutMs);
  return new KeyValueDriver(backend, { maxOpenStreams, maxPendingBytes, now });
}
