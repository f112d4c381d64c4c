// Declares the options of an event store, gives each its default, and refuses what is out of range.

import { EventStoreError } from "../log/errors.js";
import type { EventLog, Retention } from "../log/event-log.js";
import { MAX_TIMER_MS } from "../log/waits.js";
import type { AsyncKeyValue } from "../logs/key-value/async-key-value.js";
import type { Observe } from "./observation.js";

export interface EventStoreOptions {
  /**
   * Where events are kept: a log, or any key-value store, which is wrapped in `keyValueLog`.
   *
   * @defaultValue `memoryLog()`, which also limits the bytes of all streams together
   */
  readonly storage?: EventLog | AsyncKeyValue;
  /** How many of its newest events each stream keeps; `null` for no limit. @defaultValue 100 */
  readonly maxEventsPerStream?: number | null;
  /**
   * How many bytes of UTF-8 the events may take that each stream keeps; `null` for no limit. An event that is larger
   * by itself is not kept, and shows up as a gap.
   *
   * @defaultValue 16 MiB, the largest event that a log takes
   */
  readonly maxBytesPerStream?: number | null;
  /** How long an event is kept, in seconds; `null` for ever. @defaultValue 3600 */
  readonly ttl?: number | null;
  /**
   * How long a stream is known after its last event, in seconds, so that a cursor at the head of a silent stream stays
   * good; `null` for ever. A stream that has ended is forgotten with its last event. @defaultValue 86400
   */
  readonly headTtl?: number | null;
  /**
   * What a resume gets when messages after its cursor are gone: the rest behind a gap notification, or nothing but a
   * refusal, as for an unknown cursor. @defaultValue "replay"
   */
  readonly onGap?: "replay" | "refuse";
  /**
   * How long one operation of the storage may take, in milliseconds; the time-out may come up to 5 % late.
   * @defaultValue 10000
   */
  readonly operationTimeoutMs?: number;
  /** How many events are read from the log at a time. @defaultValue 100 */
  readonly replayPageSize?: number;
  /**
   * How many events of one stream may wait for the storage; further ones count as unstored. A replay that holds up so
   * many gives up with an error, and the client tries again. @defaultValue 10000
   */
  readonly maxPendingEventsPerStream?: number;
  /**
   * How much memory each session may take for messages that could not be stored, in UTF-16 units of their JSON.
   *
   * @defaultValue 1048576
   */
  readonly maxUnstoredPerSession?: number;
  /**
   * How much memory all sessions together may take for messages that could not be stored, in UTF-16 units of their
   * JSON. Beyond it, the session that has waited for longest gives its messages up: its next resume shows a gap that
   * says how many they were.
   *
   * @defaultValue 33554432
   */
  readonly maxUnstoredTotal?: number;
  /**
   * How many sessions may have messages that could not be stored, whether or not a transport still serves them. Beyond
   * it, the session that has waited for longest gives its messages up for a gap, as above. Of ten times as many
   * sessions the gaps are remembered; those of older ones only for as long as something holds their event store.
   *
   * @defaultValue 1000
   */
  readonly maxUnstoredSessions?: number;
  /**
   * How many streams the list of each session holds, by which `endSession` finds them; older ones than these expire by
   * themselves. @defaultValue 10000
   */
  readonly maxStreamsPerSession?: number;
  /** Told of everything that the store does; see {@link StoreObservation}. What it throws is dropped. */
  readonly observe?: Observe;
}

/** The options of a store with every default in place. */
export interface StoreSettings {
  readonly retention: Retention;
  /** For the list of a session's streams. */
  readonly indexRetention: Retention;
  readonly refusesGaps: boolean;
  readonly operationTimeoutMs: number;
  readonly replayPageSize: number;
  readonly maxPendingEventsPerStream: number;
  readonly maxUnstoredPerSession: number;
  readonly maxUnstoredTotal: number;
  readonly maxUnstoredSessions: number;
}

const LONGEST_TTL_SECONDS = 100 * 366 * 86_400;

/** @throws {EventStoreError} `invalid-option` */
export function settingsFrom(options: EventStoreOptions): StoreSettings {
  const retention: Retention = {
    maxEvents: wholeOrNull("maxEventsPerStream", options.maxEventsPerStream, 100),
    maxBytes: wholeOrNull("maxBytesPerStream", options.maxBytesPerStream, 16 * 1024 * 1024),
    ttlMs: secondsOrNull("ttl", options.ttl, 3600),
    headTtlMs: secondsOrNull("headTtl", options.headTtl, 86_400),
  };
  if (options.observe !== undefined && typeof options.observe !== "function") {
    throw invalid("observe", "a function", options.observe);
  }
  return {
    retention,
    indexRetention: {
      maxEvents: whole("maxStreamsPerSession", options.maxStreamsPerSession, 10_000),
      maxBytes: null,
      // A stream is listed again once its entry is as old as ttl, so each entry outlives the events it stands for.
      ttlMs: retention.ttlMs === null ? null : 2 * retention.ttlMs,
      headTtlMs: 0,
    },
    refusesGaps: oneOf("onGap", ["replay", "refuse"], options.onGap ?? "replay") === "refuse",
    operationTimeoutMs: whole("operationTimeoutMs", options.operationTimeoutMs, 10_000, MAX_TIMER_MS),
    replayPageSize: whole("replayPageSize", options.replayPageSize, 100, 100_000),
    maxPendingEventsPerStream: whole("maxPendingEventsPerStream", options.maxPendingEventsPerStream, 10_000),
    maxUnstoredPerSession: whole("maxUnstoredPerSession", options.maxUnstoredPerSession, 1024 * 1024),
    maxUnstoredTotal: whole("maxUnstoredTotal", options.maxUnstoredTotal, 32 * 1024 * 1024),
    maxUnstoredSessions: whole("maxUnstoredSessions", options.maxUnstoredSessions, 1000),
  };
}

function whole(name: string, given: number | undefined, byDefault: number, maximum = Infinity): number {
  const value = given ?? byDefault;
  if (Number.isSafeInteger(value) && value >= 1 && value <= maximum) return value;
  const upTo = maximum === Infinity ? "of at least 1" : `from 1 to ${maximum}`;
  throw invalid(name, `a whole number ${upTo}`, given);
}

function wholeOrNull(name: string, given: number | null | undefined, byDefault: number): number | null {
  if (given === null) return null;
  if (given === undefined) return byDefault;
  if (Number.isSafeInteger(given) && given >= 1) return given;
  throw invalid(name, "a whole number of at least 1, or null for no limit", given);
}

function secondsOrNull(name: string, given: number | null | undefined, byDefault: number): number | null {
  if (given === null) return null;
  const seconds = given ?? byDefault;
  if (typeof seconds === "number" && seconds > 0 && seconds <= LONGEST_TTL_SECONDS) {
    return Math.ceil(seconds * 1000);
  }
  throw invalid(name, `seconds above 0 and up to ${LONGEST_TTL_SECONDS}, or null for no limit`, given);
}

function oneOf<Value extends string>(name: string, allowed: readonly Value[], given: Value): Value {
  if (allowed.includes(given)) return given;
  throw invalid(name, allowed.map((value) => JSON.stringify(value)).join(" or "), given);
}

function invalid(name: string, allowed: string, given: unknown): EventStoreError {
  return new EventStoreError("invalid-option", `${name} must be ${allowed}, not ${String(given)}.`);
}
