// Opens a database for the log: sets the write-ahead log and the fsync level, and creates the tables that are missing.
import { EventStoreError } from "../../log/errors.js";
import { backendError, checkOpen, firstRow, isBusy, rollBack, type SqliteDatabase } from "./database.js";

/** The version of the tables below. A file with a newer one was written by a newer release and is refused. */
const SCHEMA_VERSION = 1;

/** How long opening waits for another process that holds the lock. Nothing else blocks for long. */
const OPENING_BUSY_TIMEOUT_MS = 5000;
const MAX_OPENING_TRIES = 10;

/*
 * A stream is a row with its name and epoch, and its events. What changes with each append (head, floor, the sum of
 * bytes, the retention) is kept in the newest event's row, so that an append writes one row into one table. That row
 * therefore stays for as long as the stream does; only its payload goes when the event itself is gone.
 *
 * A stream that was deleted loses its name, so that a new one can take it, and its rows go in steps of their own. Ids
 * are never used again (AUTOINCREMENT), so that a process with an old one cannot write into a new stream.
 *
 * `seq` and `floor` as in the log's interface; `at` in milliseconds; `bytes_before`, the bytes of the payloads of all
 * events before this one, the dropped ones included, so that the sum of any range is one subtraction.
 */
const TABLES = `
  CREATE TABLE IF NOT EXISTS resumable_mcp_streams (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT UNIQUE,
    epoch TEXT NOT NULL,
    ended INTEGER NOT NULL DEFAULT 0
  );
  CREATE INDEX IF NOT EXISTS resumable_mcp_deleted_streams ON resumable_mcp_streams (id) WHERE name IS NULL;
  CREATE TABLE IF NOT EXISTS resumable_mcp_events (
    stream INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    floor INTEGER NOT NULL,
    at NUMERIC NOT NULL,
    ttl_ms NUMERIC,
    head_ttl_ms NUMERIC,
    bytes_before INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    payload,
    PRIMARY KEY (stream, seq)
  ) WITHOUT ROWID;
`;

/** How much of what was acknowledged survives a power cut: SQLite's `synchronous`. */
export type Durability = "full" | "normal" | "off";

/**
 * Prepares the database: write-ahead log, fsync level, tables. Blocks for at most some seconds while
 * another process does the same.
 *
 * @throws {EventStoreError} `backend` when the database is closed, read-only, no database, locked by others for too
 *   long, without a write-ahead log, or written by a newer release.
 */
export function openSchema(database: SqliteDatabase, durability: Durability, busyTimeoutMs: number): void {
  checkOpen(database);
  try {
    database.exec(`PRAGMA busy_timeout = ${OPENING_BUSY_TIMEOUT_MS}`);
    useWriteAheadLog(database);
    database.exec(`PRAGMA synchronous = ${durability}`);
    createTables(database);
    database.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}`);
  } catch (error) {
    throw backendError("while the log was being opened", error);
  }
}

function useWriteAheadLog(database: SqliteDatabase): void {
  for (let tries = 1; ; tries += 1) {
    try {
      const mode = firstRow(database.prepare("PRAGMA journal_mode = WAL").all())?.text("journal_mode");
      // A database in memory has no write-ahead log and needs none.
      if (mode === "wal" || mode === "memory") return;
      throw new EventStoreError(
        "backend",
        `The SQLite database keeps journal mode ${JSON.stringify(mode)}; the log needs WAL, on a local disk.`,
      );
    } catch (error) {
      if (!isBusy(error) || tries >= MAX_OPENING_TRIES) throw error;
      // A change of mode ignores the busy timeout and does not wait for other connections; a transaction does.
      database.exec("BEGIN IMMEDIATE; COMMIT");
    }
  }
}

function createTables(database: SqliteDatabase): void {
  database.exec("BEGIN IMMEDIATE");
  try {
    database.exec(
      "CREATE TABLE IF NOT EXISTS resumable_mcp_schema (id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL)",
    );
    const version = firstRow(
      database.prepare("SELECT version FROM resumable_mcp_schema WHERE id = 1").all(),
    )?.number("version");
    if (version !== undefined && version > SCHEMA_VERSION) {
      throw new EventStoreError(
        "backend",
        `The SQLite database has version ${version} of the log's tables; this release knows ${SCHEMA_VERSION}. ` +
          "Use the newer release of @resumable-mcp/server, or another file.",
      );
    }
    database.exec(TABLES);
    // Written each time, so that a database that takes no writes is refused here and not at the first append.
    database.exec(`INSERT OR REPLACE INTO resumable_mcp_schema (id, version) VALUES (1, ${SCHEMA_VERSION})`);
    database.exec("COMMIT");
  } catch (error) {
    rollBack(database);
    throw error;
  }
}
