// Checks the arguments of calls and the options of logs, in one place, so that the drivers cannot differ in it.

import { EventStoreError } from "./errors.js";
import { MAX_STREAM_NAME_BYTES, type Retention } from "./event-log.js";
import { utf8Length } from "./text.js";

/** @throws {EventStoreError} `invalid-stream` when the name is not a string or longer than every log takes. */
export function checkStream(stream: unknown): asserts stream is string {
  if (typeof stream !== "string") {
    throw new EventStoreError("invalid-stream", `A stream's name must be a string, not ${typeof stream}.`);
  }
  // A UTF-16 unit is at most three bytes of UTF-8, so that most names need no counting.
  if (stream.length * 3 <= MAX_STREAM_NAME_BYTES) return;
  const bytes = utf8Length(stream);
  if (bytes > MAX_STREAM_NAME_BYTES) {
    throw new EventStoreError(
      "invalid-stream",
      `A stream's name may have at most ${MAX_STREAM_NAME_BYTES} bytes of UTF-8; this one has ${bytes}.`,
    );
  }
}

/**
 * @returns the payload's length in bytes of UTF-8.
 * @throws {EventStoreError} `payload-too-large`; `invalid-option` when the payload is not a string.
 */
export function checkPayload(payload: unknown, maxPayloadBytes: number): number {
  if (typeof payload !== "string") {
    throw new EventStoreError("invalid-option", `A payload must be a string, not ${typeof payload}.`);
  }
  const bytes = utf8Length(payload);
  if (bytes > maxPayloadBytes) {
    throw new EventStoreError(
      "payload-too-large",
      `An event may have at most ${maxPayloadBytes} bytes of UTF-8; this one has ${bytes}. Nothing was stored. ` +
        "Send less, or raise maxPayloadBytes of the log.",
    );
  }
  return bytes;
}

/** @throws {EventStoreError} `invalid-option` when a limit is neither `null` nor zero or more. */
export function checkRetention(retention: Retention): void {
  checkLimit("retention.maxEvents", retention.maxEvents);
  checkLimit("retention.maxBytes", retention.maxBytes);
  checkLimit("retention.ttlMs", retention.ttlMs);
  checkLimit("retention.headTtlMs", retention.headTtlMs);
}

function checkLimit(name: string, limit: number | null): void {
  // Written so that NaN and undefined (callers without types) fail too.
  if (limit === null || (typeof limit === "number" && limit >= 0)) return;
  throw new EventStoreError(
    "invalid-option",
    `${name} must be null or a number of at least 0, not ${limit}.`,
  );
}

/** @throws {EventStoreError} `invalid-option` when `after` or `limit` of a read makes no sense. */
export function checkRange(after: number, limit: number): void {
  checkInteger("after", after, 0);
  checkInteger("limit", limit, 1);
}

/** @throws {EventStoreError} `invalid-option` when the value is not a whole number from `minimum` to `maximum`. */
export function checkInteger(name: string, value: number, minimum: number, maximum = Infinity): void {
  if (Number.isSafeInteger(value) && value >= minimum && value <= maximum) return;
  const allowed = maximum === Infinity ? `of at least ${minimum}` : `from ${minimum} to ${maximum}`;
  throw new EventStoreError(
    "invalid-option",
    `${name} must be a whole number ${allowed}, not ${String(value)}.`,
  );
}

/** @throws {EventStoreError} `invalid-option` when the clock handed in is not a function. */
export function checkClock(now: unknown): void {
  if (typeof now === "function") return;
  throw new EventStoreError(
    "invalid-option",
    `now must be a function that returns milliseconds, as Date.now does; it is ${typeof now}.`,
  );
}

/** @throws {EventStoreError} `invalid-option` when the value is not a function. */
export function checkFunction(name: string, value: unknown): void {
  if (typeof value === "function") return;
  throw new EventStoreError("invalid-option", `${name} must be a function, not ${typeof value}.`);
}
