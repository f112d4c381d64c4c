// Describes the SQLite handle that the log needs, and evens out the differences between the libraries that provide one.
import { EventStoreError } from "../../log/errors.js";

/** A value that is bound to a statement. */
export type SqliteValue = string | number | bigint | null;

/** A prepared statement, as far as the log needs it. */
export interface SqliteStatement {
  run(...parameters: SqliteValue[]): { readonly changes: number | bigint };
  all(...parameters: SqliteValue[]): unknown[];
}

/**
 * An open database with the synchronous API that `better-sqlite3`, `libsql` and `node:sqlite` share. Two of the three
 * have `open` and `inTransaction`, the third `isOpen` and `isTransaction`; where they are missing, the log asks the
 * database itself.
 */
export interface SqliteDatabase {
  exec(sql: string): unknown;
  prepare(sql: string): SqliteStatement;
  /** A flag or, in `node:sqlite`, a method. */
  readonly open?: unknown;
  readonly isOpen?: boolean;
  readonly inTransaction?: boolean;
  readonly isTransaction?: boolean;
}

/** Whether the handle says that it was closed. `libsql` goes on writing to a closed database through old statements. */
export function isClosed(database: SqliteDatabase): boolean {
  return database.open === false || database.isOpen === false;
}

/** Whether the handle says that it is in no transaction; `false` when it does not say. */
export function isOutsideTransaction(database: SqliteDatabase): boolean {
  return database.inTransaction === false || database.isTransaction === false;
}

/** Primary result codes (sqlite.org/rescode.html), by number as `node:sqlite` has them and by name as the others. */
const BUSY = { number: 5, name: "SQLITE_BUSY" };
const IO_ERROR = { number: 10, name: "SQLITE_IOERR" };
/** The low byte of an extended result code is the primary one; its name begins with the primary one's. */
const PRIMARY_RESULT_CODE_MASK = 0xff;

/** Whether a statement failed because another connection holds the lock; nothing was written then. */
export function isBusy(error: unknown): boolean {
  return isOf(BUSY, error) === true;
}

/**
 * Whether a commit that failed may turn out to be done after a crash: when the disk failed in the middle of it, or when
 * the database does not say why. Otherwise SQLite has rolled it back.
 */
export function mayHaveCommitted(error: unknown): boolean {
  return isOf(IO_ERROR, error) ?? true;
}

/** `undefined` when the error carries no result code. */
function isOf(code: { number: number; name: string }, error: unknown): boolean | undefined {
  if (!(error instanceof Error)) return undefined;
  if ("errcode" in error && typeof error.errcode === "number") {
    return (error.errcode & PRIMARY_RESULT_CODE_MASK) === code.number;
  }
  if (!("code" in error) || typeof error.code !== "string" || !error.code.startsWith("SQLITE_"))
    return undefined;
  return error.code === code.name || error.code.startsWith(`${code.name}_`);
}

/** The error that the log's callers get for a failure of the database. */
export function backendError(what: string, cause: unknown, mayHaveHappened = false): EventStoreError {
  if (cause instanceof EventStoreError) return cause;
  const detail = cause instanceof Error ? cause.message : String(cause);
  return new EventStoreError("backend", `The SQLite database failed ${what}: ${detail}`, {
    cause,
    mayHaveHappened,
  });
}

/** @throws {EventStoreError} `backend` when the handle was closed. */
export function checkOpen(database: SqliteDatabase): void {
  if (!isClosed(database)) return;
  throw new EventStoreError(
    "backend",
    "The SQLite database was closed. Close the log before its database, and open both again to go on.",
  );
}

/** Ends a failed transaction. SQLite ends some by itself, and then there is nothing to roll back. */
export function rollBack(database: SqliteDatabase): void {
  try {
    database.exec("ROLLBACK");
  } catch {
    // The failure that led here is the one to report.
  }
}

/** One row of an answer, its columns read by name and checked: `libsql` adds a property of its own to rows. */
export class Row {
  readonly #columns: Readonly<Record<string, unknown>>;

  constructor(row: unknown) {
    if (typeof row !== "object" || row === null) throw new TypeError("A SQLite row must be an object.");
    // An object has unknown values under any name.
    this.#columns = row as Record<string, unknown>;
  }

  number(name: string): number {
    const value = this.#value(name);
    if (typeof value === "number") return value;
    // Handles may be set to return every integer as a bigint.
    if (typeof value === "bigint") return Number(value);
    throw new TypeError(`The SQLite column ${name} must be a number, not ${typeof value}.`);
  }

  numberOrNull(name: string): number | null {
    return this.#value(name) === null ? null : this.number(name);
  }

  text(name: string): string {
    const value = this.#value(name);
    if (typeof value === "string") return value;
    throw new TypeError(`The SQLite column ${name} must be text, not ${typeof value}.`);
  }

  #value(name: string): unknown {
    return this.#columns[name];
  }
}

/** The first row of an answer, if any. Always by `all`, so that no statement stays open half-way with its snapshot. */
export function firstRow(rows: readonly unknown[]): Row | undefined {
  return rows.length === 0 ? undefined : new Row(rows[0]);
}
