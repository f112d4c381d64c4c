// Stands in front of every driver: checks each call, and refuses all after close().

import { asError, closedError } from "./errors.js";
import {
  DEFAULT_MAX_PAYLOAD_BYTES,
  type EventLog,
  type LogPage,
  type Position,
  type Retention,
} from "./event-log.js";
import { checkInteger, checkPayload, checkRange, checkRetention, checkStream } from "./validation.js";

/** An event that was found to be within the limits. */
export interface CheckedEvent {
  readonly payload: string;
  /** The payload's length in bytes of UTF-8. */
  readonly bytes: number;
}

/** What a log does once a call is known to make sense: a driver stores, its front validates. */
export interface LogDriver extends Omit<EventLog, "append"> {
  append(stream: string, event: CheckedEvent, retention: Retention): Promise<Position>;
  /** Called by every `close()`; no other method is called afterwards. Resolves when all earlier calls are done. */
  close(): Promise<void>;
}

/**
 * The front of a driver: it checks every call, in one place, so that the drivers cannot differ in it.
 *
 * @param maxPayloadBytes the log's option: the largest payload that `append` takes, in bytes of UTF-8.
 * @param open makes the driver, once that option is known to be good: a driver may write when it is made.
 * @throws {EventStoreError} `invalid-option`; what `open` throws.
 */
export function checkedLog(maxPayloadBytes: number | undefined, open: () => LogDriver): EventLog {
  const limit = maxPayloadBytes ?? DEFAULT_MAX_PAYLOAD_BYTES;
  checkInteger("maxPayloadBytes", limit, 1);
  return new CheckedLog(open(), limit);
}

class CheckedLog implements EventLog {
  readonly #driver: LogDriver;
  readonly #maxPayloadBytes: number;
  #isClosed = false;

  constructor(driver: LogDriver, maxPayloadBytes: number) {
    this.#driver = driver;
    this.#maxPayloadBytes = maxPayloadBytes;
  }

  // Every failure of these methods is a rejection, and each takes its place in the order before it gives way. The one
  // that is called for every event is not async, so that there is one promise less to be made for it.
  append(stream: string, payload: string, retention: Retention): Promise<Position> {
    try {
      this.#check(stream);
      checkRetention(retention);
      const bytes = checkPayload(payload, this.#maxPayloadBytes);
      return this.#driver.append(stream, { payload, bytes }, retention);
    } catch (error) {
      return Promise.reject(asError(error));
    }
  }

  async read(stream: string, after: number, limit: number): Promise<LogPage | undefined> {
    this.#check(stream);
    checkRange(after, limit);
    return this.#driver.read(stream, after, limit);
  }

  subscribe(stream: string, wake: () => void): () => void {
    this.#check(stream);
    return this.#driver.subscribe(stream, wake);
  }

  async end(stream: string): Promise<void> {
    this.#check(stream);
    return this.#driver.end(stream);
  }

  async delete(stream: string): Promise<void> {
    this.#check(stream);
    return this.#driver.delete(stream);
  }

  close(): Promise<void> {
    this.#isClosed = true;
    return this.#driver.close();
  }

  #check(stream: string): void {
    if (this.#isClosed) throw closedError();
    checkStream(stream);
  }
}
