import { EventStoreError } from "../../log/errors.js";

/** What a statement is answered with. */
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

/**
 * @throws {EventStoreError} `invalid-option` when the pool is none, or was ended.
 */
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

/** Whether nothing can come of it any more: a `Pool` says `ending`, a `PGlite` says `closed`. */
export function isEnded(pool: object): boolean {
  return ("ending" in pool && pool.ending === true) || ("closed" in pool && pool.closed === true);
}

/** How many connections the pool has at most, where it says so. */
export function maxConnections(pool: object): number | undefined {
  if (!("options" in pool) || typeof pool.options !== "object" || pool.options === null) return undefined;
  const { options } = pool;
  return "max" in options && typeof options.max === "number" ? options.max : undefined;
}
