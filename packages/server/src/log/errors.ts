// Defines the package's error class and its codes, and makes the errors that several logs share.

/**
 * What went wrong in an event log or event store. Match on the code, never on the message.
 *
 * - `invalid-option`: an option is out of range; thrown at construction.
 * - `invalid-stream`: a stream or session id is too long or not a string.
 * - `invalid-message`: a message cannot be written as JSON; nothing was stored.
 * - `payload-too-large`: the event exceeds the log's limit; nothing was stored.
 * - `ended`: an append to a stream that has ended.
 * - `closed`: the log or store was closed.
 * - `backend`: the storage behind the log failed; see `cause` and `mayHaveHappened`.
 * - `timeout`: the storage did not answer within the limit; see `mayHaveHappened`.
 * - `overloaded`: too much waits for the storage; see `maxPendingEventsPerStream` of the store and `maxPendingBytes` of
 *   the log. Nothing was stored.
 * - `unscoped`: an unscoped {@link EventStore} was handed to a transport; use `forSession(id)`.
 * - `unknown-event`: a replay was asked for an id that cannot be resumed.
 * - `finished`: a replay was asked at or after the final response of a stream.
 */
export type EventStoreErrorCode =
  | "invalid-option"
  | "invalid-stream"
  | "invalid-message"
  | "payload-too-large"
  | "ended"
  | "closed"
  | "backend"
  | "timeout"
  | "overloaded"
  | "unscoped"
  | "unknown-event"
  | "finished";

export interface EventStoreErrorOptions {
  readonly cause?: unknown;
  /** Whether a write may have taken effect although it failed. @defaultValue false */
  readonly mayHaveHappened?: boolean;
}

/** The one error class of `@resumable-mcp/server`. */
export class EventStoreError extends Error {
  override readonly name = "EventStoreError";
  readonly code: EventStoreErrorCode;
  /** Whether the failed write may have taken effect all the same. */
  readonly mayHaveHappened: boolean;

  constructor(code: EventStoreErrorCode, message: string, options: EventStoreErrorOptions = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.mayHaveHappened = options.mayHaveHappened ?? false;
  }
}

/** The error of an append to a stream that has ended. */
export function endedError(stream: string): EventStoreError {
  return new EventStoreError(
    "ended",
    `The stream ${JSON.stringify(stream)} has ended; nothing can be appended.`,
  );
}

/** The error of every call after `close()`. */
export function closedError(): EventStoreError {
  return new EventStoreError("closed", "The log was closed.");
}

/** The error of a wait that took too long. */
export function timeoutError(what: string, limitMs: number, mayHaveHappened = false): EventStoreError {
  return new EventStoreError("timeout", `${what} did not end within ${limitMs} ms.`, { mayHaveHappened });
}

/** What was thrown, as an error. */
export function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error), { cause: error });
}
