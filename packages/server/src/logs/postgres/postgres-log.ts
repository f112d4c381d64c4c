// Opens the event log on Postgres: checks the options and joins the parts.
import { checkedLog, type LogDriver } from "../../log/checked-log.js";
import { EventStoreError } from "../../log/errors.js";
import type { EventLog } from "../../log/event-log.js";
import { checkFunction, checkInteger } from "../../log/validation.js";
import { MAX_TIMER_MS } from "../../log/waits.js";
import { PostgresDriver } from "./postgres-driver.js";
import { channelOf } from "./notifications.js";
import { checkPool, maxConnections, type PostgresPool } from "./pool.js";
import { StatementRunner } from "./runner.js";
import { checkSchema, DEFAULT_SCHEMA } from "./schema.js";
import { statementsOf } from "./statements.js";
import { Sweeper } from "./sweeper.js";
import { PostgresWakeUps } from "./wake-ups.js";

export type { PostgresPool, PostgresPoolClient, PostgresResult } from "./pool.js";
export { migratePostgresLog, type MigrateOptions } from "./schema.js";

export interface PostgresLogOptions {
  /**
   * The schema of the log's tables, which `migratePostgresLog` has made. Logs with the same one share their streams.
   *
   * @defaultValue "resumable_mcp"
   */
  readonly schema?: string;
  /**
   * How followers learn of what other processes append.
   *
   * - `notify`: at once. From its first subscriber on, the log keeps one connection of the pool for `LISTEN`, and each
   *   process announces its appends in separate statements. This does not work through a pooler that shares
   *   connections between transactions.
   * - `poll`: within `pollIntervalMs`, by one statement for all streams that are followed.
   *
   * @defaultValue "notify" where the pool has `connect`, else "poll"
   */
  readonly wakeUp?: "notify" | "poll";
  /**
   * How often followed streams are polled, in milliseconds. With `notify` this finds appends that were never
   * announced, as when a process ends between an append and its notification.
   *
   * @defaultValue 1000 with `poll`, 15000 with `notify`
   */
  readonly pollIntervalMs?: number;
  /** How often a silent connection for wake-ups is tested, in milliseconds. @defaultValue 10000 */
  readonly heartbeatMs?: number;
  /**
   * How long a call to the server may take in all, in milliseconds, including the wait for a connection of the pool
   * and new attempts after a broken one. An append that has to wait for others of its stream may take longer.
   *
   * @defaultValue 5000
   */
  readonly timeoutMs?: number;
  /**
   * How often all streams are searched for events that have expired or were deleted, in milliseconds: they may stay in
   * the tables for that long. They are never returned, whether or not they have been removed.
   *
   * @defaultValue 60000
   */
  readonly sweepIntervalMs?: number;
  /** The largest payload that `append` takes, in bytes of UTF-8. @defaultValue 16 MiB */
  readonly maxPayloadBytes?: number;
  /**
   * How many bytes of events may wait to be stored: the payloads, and 500 bytes for each event. An append beyond it
   * fails with `overloaded` and stores nothing.
   *
   * @defaultValue 256 MiB
   */
  readonly maxPendingBytes?: number;
  /**
   * Called when something fails that no call waits for. Either the connection for wake-ups breaks or cannot be made;
   * nothing is lost then, the log connects again, and followers are woken so that they read. Or expired events could
   * not be removed; the log tries again after `sweepIntervalMs`. Must not throw.
   *
   * @defaultValue nothing is called
   */
  readonly onError?: (error: EventStoreError) => void;
}

/**
 * A log on Postgres 13 or later: for many machines, any of which may append to any stream and read it. `pool` is a
 * `Pool` of `pg`, or a `PGlite` to try it without a server. {@link migratePostgresLog} makes the tables, once.
 *
 * An append is one statement, and so is a page of a read. Appends to one stream that come while another is under way
 * go together in one statement. The pool is never closed by the log; as `pg` says, it needs a listener for `error`.
 *
 * When a connection breaks, an append is tried again. The server recognises a repeated append, so that the event is
 * not stored twice. If the append fails in the end, `mayHaveHappened` of the {@link EventStoreError} says whether the
 * event may be stored all the same.
 *
 * The server's settings decide what an acknowledged append survives: by default every crash; with
 * `synchronous_commit = off`, not a crash of the server in the next moment.
 *
 * @throws {EventStoreError} `invalid-option`, also for a pool that was ended.
 */
export function postgresLog(pool: PostgresPool, options: PostgresLogOptions = {}): EventLog {
  checkPool(pool);
  return checkedLog(options.maxPayloadBytes, () => openDriver(pool, options));
}

function openDriver(pool: PostgresPool, options: PostgresLogOptions): LogDriver {
  const { schema = DEFAULT_SCHEMA, timeoutMs = 5000, heartbeatMs = 10_000 } = options;
  const { sweepIntervalMs = 60_000, maxPendingBytes = 256 * 1024 * 1024 } = options;
  const { onError = () => undefined, wakeUp = pool.connect === undefined ? "poll" : "notify" } = options;
  const { pollIntervalMs = wakeUp === "poll" ? 1000 : 15_000 } = options;
  checkSchema(schema);
  checkWakeUp(wakeUp, pool);
  checkInteger("pollIntervalMs", pollIntervalMs, 1, MAX_TIMER_MS);
  checkInteger("heartbeatMs", heartbeatMs, 1, MAX_TIMER_MS);
  checkInteger("timeoutMs", timeoutMs, 1, MAX_TIMER_MS);
  checkInteger("sweepIntervalMs", sweepIntervalMs, 1, MAX_TIMER_MS);
  checkInteger("maxPendingBytes", maxPendingBytes, 1);
  checkFunction("onError", onError);
  const runner = new StatementRunner(pool, timeoutMs);
  const statements = statementsOf(schema);
  const connect = wakeUp === "notify" ? pool.connect?.bind(pool) : undefined;
  const channel = channelOf(schema);
  const listening = connect && { connect, channel, timeoutMs, heartbeatMs, onError };
  return new PostgresDriver({
    runner,
    statements,
    wakeUps: new PostgresWakeUps({ runner, statements, pollIntervalMs, listening }),
    sweeper: new Sweeper(runner, statements, sweepIntervalMs, onError),
    maxPendingBytes,
  });
}

function checkWakeUp(wakeUp: unknown, pool: PostgresPool): void {
  if (wakeUp === "poll") return;
  if (wakeUp !== "notify") {
    throw new EventStoreError(
      "invalid-option",
      `wakeUp must be "notify" or "poll", not ${JSON.stringify(wakeUp)}.`,
    );
  }
  if (typeof pool.connect !== "function") {
    throw new EventStoreError("invalid-option", 'wakeUp "notify" needs a pool with connect; use "poll".');
  }
  if ((maxConnections(pool) ?? Infinity) < 2) {
    throw new EventStoreError(
      "invalid-option",
      'wakeUp "notify" keeps one connection of the pool, which must be of at least 2; use "poll".',
    );
  }
}
