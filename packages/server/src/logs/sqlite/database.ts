import { EventStoreError } from "../../errors.js";

/** What is bound to a statement and comes out of a row. */
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

const BUSY = "SQLITE_BUSY";
const BUSY_RESULT_CODE = 5;
/** The low byte of an extended result code is the primary one (sqlite.org/rescode.html). */
const PRIMARY_RESULT_CODE_MASK = 0xff;

/** Whether a statement failed because another connection holds the lock; nothing was written then. */
export function isBusy(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if ("errcode" in error && typeof error.errcode === "number") {
    return (error.errcode & PRIMARY_RESULT_CODE_MASK) === BUSY_RESULT_CODE;
  }
  return (
    "code" in error &&
    typeof error.code === "string" &&
    (error.code === BUSY || error.code.startsWith(`${BUSY}_`))
  );
}

/** What a failure of the database becomes for the log's callers. */
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

/** The columns of a row by name: `libsql` adds a property of its own to rows. */
export class Row {
  readonly #columns: object;

  constructor(row: unknown) {
    if (typeof row !== "object" || row === null) throw new TypeError("A SQLite row must be an object.");
    this.#columns = row;
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
    return Object.getOwnPropertyDescriptor(this.#columns, name)?.value;
  }
}

/** The first row of an answer, if any. Always by `all`, so that no statement stays open half-way with its snapshot. */
export function firstRow(rows: readonly unknown[]): Row | undefined {
  return rows.length === 0 ? undefined : new Row(rows[0]);
}
