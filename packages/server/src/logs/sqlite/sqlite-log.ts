// Opens the event log in a SQLite database, whose streams survive a restart of the process.
import { type CheckedEvent, checkedLog, type LogDriver } from "../../log/checked-log.js";
import { EventStoreError, closedError } from "../../log/errors.js";
import type { EventLog, LogPage, Position, Retention } from "../../log/event-log.js";
import { PendingBytes } from "../../log/lanes.js";
import { checkClock, checkInteger } from "../../log/validation.js";
import { MAX_TIMER_MS } from "../../log/waits.js";
import { backendError, checkOpen, isBusy, type SqliteDatabase } from "./database.js";
import { GroupCommit } from "./group-commit.js";
import { type Durability, openSchema } from "./schema.js";
import { prepareStatements } from "./statements.js";
import { type NewEvent, Streams } from "./streams.js";
import { Sweeper } from "./sweeper.js";
import { SqliteWakeUps } from "./wake-ups.js";

export type { SqliteDatabase, SqliteStatement, SqliteValue } from "./database.js";
export type { Durability } from "./schema.js";

export interface SqliteLogOptions {
  /**
   * What a power cut, or a crash of the operating system, can cost. A process that is killed loses nothing that was
   * acknowledged, whatever is chosen here.
   *
   * - `"full"`: nothing. Each transaction waits for the disk; since the appends of one turn of the event loop share
   *   one, this is expensive only when they come one at a time.
   * - `"normal"`: the newest acknowledged events, as many as came since the last checkpoint (SQLite makes one every
   *   thousand pages, about 4 MB). The file stays sound. But the stream goes back to an earlier head, and later events
   *   get the positions of the lost ones: a client that had seen those misses as many of the new ones.
   * - `"off"`: as with `"normal"`, and the file may be corrupt, so that nothing can be read.
   *
   * See sqlite.org/pragma.html#pragma_synchronous. None of them helps with a disk that says it wrote what it did not.
   *
   * @defaultValue "full"
   */
  readonly durability?: Durability;
  /** The largest payload that `append` takes, in bytes of UTF-8. @defaultValue 16 MiB */
  readonly maxPayloadBytes?: number;
  /**
   * How long a write waits while other processes hold the lock, in milliseconds, before it fails with `timeout` and
   * nothing written. SQLite's own wait blocks the event loop, so it gets 5 ms of it at a time; between these the event
   * loop turns.
   *
   * @defaultValue 5000
   */
  readonly busyTimeoutMs?: number;
  /**
   * How many bytes of events may wait for the lock or for their turn: the payloads, and 500 bytes for each event. An
   * append beyond it fails with `overloaded` and stores nothing.
   *
   * @defaultValue 256 MiB
   */
  readonly maxPendingBytes?: number;
  /**
   * How often the file is checked for appends by other processes, in milliseconds, while there are subscribers. Their
   * wake-ups may come that late; those of this process come at once.
   *
   * @defaultValue 50
   */
  readonly pollIntervalMs?: number;
  /** How often expired rows are removed from the file, in milliseconds. @defaultValue 60 000 */
  readonly sweepIntervalMs?: number;
  /** The clock, in milliseconds. Processes on one file must agree on it. @defaultValue Date.now */
  readonly now?: () => number;
}

const DEFAULT_BUSY_TIMEOUT_MS = 5000;
const DEFAULT_MAX_PENDING_BYTES = 256 * 1024 * 1024;
const DEFAULT_POLL_INTERVAL_MS = 50;
const DEFAULT_SWEEP_INTERVAL_MS = 60_000;
const DURABILITIES: readonly unknown[] = ["full", "normal", "off"];

/** How long SQLite may block the event loop in its wait for a lock. */
const BLOCKING_BUSY_TIMEOUT_MS = 5;
const BUSY_READ_RETRY_MS = 10;

/**
 * A log in a SQLite database: streams that survive a restart, on one machine. Takes any open handle with the
 * synchronous API of `better-sqlite3`: `node:sqlite` (built into Node from 22.13 on), `libsql`, `better-sqlite3`.
 *
 * Give the log a handle of its own: it sets `journal_mode = WAL`, `synchronous` and `busy_timeout`, and a transaction
 * that others leave open on the handle makes its writes fail. Other handles may use the file, in this process and in
 * others, also for other logs; the tables begin with `resumable_mcp_`. The file must be on a local disk.
 *
 * Construction creates the tables, and blocks for up to 5 s while another process does the same. Appends of one turn of
 * the event loop share one transaction. What has expired is never returned; its rows go in small steps on a timer,
 * which does not keep the process alive. Their space is used again; the file does not shrink.
 *
 * `close()` stops the timers and leaves the handle open.
 *
 * @example
 * ```ts
 * import { DatabaseSync } from "node:sqlite";
 * const store = new EventStore({ storage: sqliteLog(new DatabaseSync("events.db")) });
 * ```
 *
 * @throws {EventStoreError} `invalid-option`; `backend` when the database is closed, read-only, locked by others for
 *   too long, no database, or has tables of a newer release.
 */
export function sqliteLog(database: SqliteDatabase, options: SqliteLogOptions = {}): EventLog {
  return checkedLog(options.maxPayloadBytes, () => new SqliteLog(database, options));
}

class SqliteLog implements LogDriver {
  readonly #database: SqliteDatabase;
  readonly #busyTimeoutMs: number;
  readonly #now: () => number;
  readonly #streams: Streams;
  readonly #writes: GroupCommit;
  readonly #pending: PendingBytes;
  readonly #wakeUps: SqliteWakeUps;
  readonly #sweeper: Sweeper;
  #isClosed = false;

  constructor(database: SqliteDatabase, options: SqliteLogOptions) {
    const {
      durability = "full",
      busyTimeoutMs = DEFAULT_BUSY_TIMEOUT_MS,
      maxPendingBytes = DEFAULT_MAX_PENDING_BYTES,
      pollIntervalMs = DEFAULT_POLL_INTERVAL_MS,
      sweepIntervalMs = DEFAULT_SWEEP_INTERVAL_MS,
      now = Date.now,
    } = options;
    checkDatabase(database);
    checkDurability(durability);
    checkInteger("busyTimeoutMs", busyTimeoutMs, 0, MAX_TIMER_MS);
    checkInteger("maxPendingBytes", maxPendingBytes, 1);
    checkInteger("pollIntervalMs", pollIntervalMs, 1, MAX_TIMER_MS);
    checkInteger("sweepIntervalMs", sweepIntervalMs, 1, MAX_TIMER_MS);
    checkClock(now);
    openSchema(database, durability, BLOCKING_BUSY_TIMEOUT_MS);
    this.#database = database;
    this.#busyTimeoutMs = busyTimeoutMs;
    this.#now = now;
    const statements = prepareStatements(database);
    const streams = new Streams(database, statements);
    this.#streams = streams;
    this.#writes = new GroupCommit(database, statements, {
      timeoutMs: busyTimeoutMs,
      onRollback: () => streams.forgetAll(),
    });
    this.#pending = new PendingBytes("the SQLite database", maxPendingBytes);
    this.#wakeUps = new SqliteWakeUps(database, statements, pollIntervalMs);
    this.#sweeper = new Sweeper(database, statements, sweepIntervalMs, now);
  }

  async append(stream: string, { payload, bytes }: CheckedEvent, retention: Retention): Promise<Position> {
    const event: NewEvent = { stream, payload, bytes, retention, now: this.#now() };
    this.#pending.admit(stream, bytes);
    try {
      return await this.#writes.submit({
        bytes,
        run: () => this.#streams.append(event),
        runAlone: () => this.#streams.appendAlone(event),
      });
    } finally {
      this.#pending.release(bytes);
      // After a failure too, since the commit may have reached the file all the same.
      this.#wakeUps.wake(stream);
    }
  }

  async read(stream: string, after: number, limit: number): Promise<LogPage | undefined> {
    const deadline = performance.now() + this.#busyTimeoutMs;
    for (;;) {
      checkOpen(this.#database);
      try {
        return this.#streams.read(stream, after, limit, this.#now());
      } catch (error) {
        // Readers do not wait for writers, but everybody waits while a process repairs what a killed one left behind.
        if (!isBusy(error) || performance.now() >= deadline) throw backendError("in a read", error);
      }
      await new Promise((resolve) => setTimeout(resolve, BUSY_READ_RETRY_MS));
      if (this.#isClosed) throw closedError();
    }
  }

  subscribe(stream: string, wake: () => void): () => void {
    return this.#wakeUps.subscribe(stream, wake);
  }

  async end(stream: string): Promise<void> {
    const now = this.#now();
    await this.#writes.submit({ bytes: 0, run: () => this.#streams.end(stream, now) });
    this.#wakeUps.wake(stream);
  }

  async delete(stream: string): Promise<void> {
    await this.#writes.submit({ bytes: 0, run: () => this.#streams.delete(stream) });
    this.#wakeUps.wake(stream);
    this.#sweeper.sweepSoon();
  }

  async close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#sweeper.stop();
      this.#wakeUps.close();
    }
    await this.#writes.drain();
  }
}

function checkDurability(durability: unknown): void {
  if (DURABILITIES.includes(durability)) return;
  throw new EventStoreError(
    "invalid-option",
    `durability must be "full", "normal" or "off", not ${JSON.stringify(durability)}.`,
  );
}

/** For callers without types. */
function checkDatabase(database: unknown): void {
  if (typeof database === "object" && database !== null && "prepare" in database && "exec" in database) {
    if (typeof database.prepare === "function" && typeof database.exec === "function") return;
  }
  throw new EventStoreError(
    "invalid-option",
    "database must be an open handle with exec and prepare, as of node:sqlite, libsql or better-sqlite3.",
  );
}
