// Describes the pool of connections that the log needs, from whichever library, and reads the rows of its answers.
import { EventStoreError } from "../../log/errors.js";

/** The answer to a statement. */
export interface PostgresResult {
  readonly rows: readonly unknown[];
}

/** A connection taken out of a pool, as `pg` has it: for wake-ups by `NOTIFY`. */
export interface PostgresPoolClient {
  query(text: string, params?: unknown[]): Promise<PostgresResult>;
  on(
    event: "notification",
    listener: (message: { channel: string; payload?: string | undefined }) => void,
  ): unknown;
  on(event: "error", listener: (error: Error) => void): unknown;
  on(event: "end", listener: () => void): unknown;
  /** With `true` the connection is closed instead of going back into the pool. */
  release(destroy?: boolean): void;
}

/**
 * What the log needs of a database: a `Pool` of `pg`, a `PGlite`, or anything else of this shape. Without `connect`
 * there are no wake-ups by `NOTIFY`.
 */
export interface PostgresPool {
  query(text: string, params?: unknown[]): Promise<PostgresResult>;
  connect?(): Promise<PostgresPoolClient>;
}

/** @throws {EventStoreError} `invalid-option` when it is not a pool, or was ended. */
export function checkPool(pool: unknown): void {
  if (typeof pool !== "object" || pool === null || !("query" in pool) || typeof pool.query !== "function") {
    throw new EventStoreError(
      "invalid-option",
      "pool must be a Pool of pg, a PGlite, or an object with their query(text, params).",
    );
  }
  if (isEnded(pool)) {
    throw new EventStoreError("invalid-option", "pool must be open; this one was ended already.");
  }
}

/** Whether the pool was ended, so that no statement can succeed: a `Pool` says `ending`, a `PGlite` says `closed`. */
export function isEnded(pool: object): boolean {
  return ("ending" in pool && pool.ending === true) || ("closed" in pool && pool.closed === true);
}

/** How many connections the pool has at most, where it says so. */
export function maxConnections(pool: object): number | undefined {
  if (!("options" in pool) || typeof pool.options !== "object" || pool.options === null) return undefined;
  const { options } = pool;
  return "max" in options && typeof options.max === "number" ? options.max : undefined;
}

/**
 * One row of an answer, its columns read by name and checked: drivers and their settings differ in what they make of
 * 64-bit numbers (text, number, bigint).
 */
export class Row {
  readonly #columns: object;

  /** @throws {EventStoreError} `backend` when it is no row at all. */
  constructor(row: unknown) {
    if (typeof row !== "object" || row === null) throw unexpected("a row", row);
    this.#columns = row;
  }

  text(name: string): string {
    const value = this.#get(name);
    if (typeof value !== "string") throw unexpected(name, value);
    return value;
  }

  number(name: string): number {
    const value = this.numberOrNull(name);
    if (value === null) throw unexpected(name, value);
    return value;
  }

  numberOrNull(name: string): number | null {
    const value = this.#get(name);
    if (value === null) return null;
    const number = typeof value === "string" || typeof value === "bigint" ? Number(value) : value;
    if (typeof number !== "number" || !Number.isSafeInteger(number)) throw unexpected(name, value);
    return number;
  }

  boolean(name: string): boolean {
    const value = this.#get(name);
    if (typeof value !== "boolean") throw unexpected(name, value);
    return value;
  }

  #get(name: string): unknown {
    return Reflect.get(this.#columns, name);
  }
}

function unexpected(name: string, value: unknown): EventStoreError {
  return new EventStoreError(
    "backend",
    `Postgres returned an unexpected value in column ${name}: ${JSON.stringify(String(value))}.`,
    {
      mayHaveHappened: true,
    },
  );
}
