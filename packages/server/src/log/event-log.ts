// Defines the contract of an event log: what every driver does, and what a reader learns from it.

/** A place in a stream. `seq` starts at 1 and has no holes. */
export interface Position {
  /**
   * Minted at random when a stream's log is created. After a flush or an expiry the same stream gets another
   * epoch, so that an old cursor is recognised instead of pointing at the wrong events.
   */
  readonly epoch: string;
  readonly seq: number;
}

/** How much of a stream a log keeps. `null` means no limit. */
export interface Retention {
  /** The newest so many events of the stream are kept. */
  readonly maxEvents: number | null;
  /** The newest events are kept whose payloads together do not exceed so many bytes of UTF-8. */
  readonly maxBytes: number | null;
  /**
   * An event older than so many milliseconds is not returned any more. When the limit of a stream grows, the events
   * that it has already may still go by the shorter one.
   */
  readonly ttlMs: number | null;
  /**
   * A stream's epoch and head outlive its events by so many milliseconds after the last append, so that a cursor
   * at the head of a silent stream stays good. A stream that has ended is forgotten with its last event instead.
   */
  readonly headTtlMs: number | null;
}

export interface LogEntry {
  readonly seq: number;
  readonly payload: string;
}

/** One page of a stream: what is needed to tell "nothing new" from "something was lost". */
export interface LogPage {
  /** Events after the asked position, oldest first; `seq` without holes from the first one on. */
  readonly entries: readonly LogEntry[];
  /** The newest position of the stream, whether or not its event is still there. */
  readonly head: Position;
  /** The oldest seq still readable; `head.seq + 1` when nothing is. */
  readonly floor: number;
  /** Whether {@link EventLog.end} was called on the stream. */
  readonly ended: boolean;
}

/**
 * An ordered append-only log per stream. Storage alone: it knows nothing about MCP.
 *
 * Every method throws {@link EventStoreError}: `closed` after `close()`, `invalid-stream` for a stream name of more
 * than {@link MAX_STREAM_NAME_BYTES}, `payload-too-large`, `backend` or `timeout` when the storage fails.
 */
export interface EventLog {
  /**
   * Appends an event. Atomic, and ordered per stream also with several processes appending, where the driver allows
   * several. Calls of one process on one stream take effect in the order in which they were made, awaited or not.
   * Retention is applied in the same step or amortised over appends, but `read` never returns what it has dropped.
   * Half a surrogate pair in a payload, which UTF-8 cannot hold, may come back as U+FFFD.
   *
   * @throws {EventStoreError} `ended` when the stream has ended; `overloaded` when too much waits for the storage.
   */
  append(stream: string, payload: string, retention: Retention): Promise<Position>;
  /**
   * Reads at most `limit` events with a seq greater than `after` (0: from the beginning); fewer where a page would grow
   * too large, but one at least where there is any: a reader is done at `head`, not at a short page. What was answered
   * before is seen; of what still waits, a part.
   *
   * @returns `undefined` when there is no such stream (never written, deleted, expired).
   */
  read(stream: string, after: number, limit: number): Promise<LogPage | undefined>;
  /**
   * Calls `wake` after something was appended to the stream, here or in another process: a hint, which may come too
   * often. Truth always comes from `read`. Subscribe before reading, so that nothing falls between.
   *
   * @returns a function that ends the subscription.
   */
  subscribe(stream: string, wake: () => void): () => void;
  /** No more appends; the stream is kept for replay until its newest event has outlived the ttl. */
  end(stream: string): Promise<void>;
  /** Forgets the stream. A later append starts a new one with another epoch. */
  delete(stream: string): Promise<void>;
  /** Releases what the log opened itself. Clients and databases that were handed in stay open. */
  close(): Promise<void>;
}

/** The longest stream name, in bytes of UTF-8, that every log takes. */
export const MAX_STREAM_NAME_BYTES = 4096;

/** The largest payload, in bytes of UTF-8, that a log takes unless told otherwise: 16 MiB. */
export const DEFAULT_MAX_PAYLOAD_BYTES = 16 * 1024 * 1024;
