// Creates the tables of the log, or migrates them to this release's version.
import { EventStoreError, timeoutError } from "../../log/errors.js";
import { checkInteger } from "../../log/validation.js";
import { MAX_TIMER_MS, within } from "../../log/waits.js";
import { errorOf, failureOf } from "./failure.js";
import { checkPool, type PostgresPool } from "./pool.js";

/** The schema of the tables, unless told otherwise. */
export const DEFAULT_SCHEMA = "resumable_mcp";
/** The version of the tables below. */
const SCHEMA_VERSION = 1;
/** The SQLSTATE that the migration raises for tables of a newer release, in a class that SQL leaves to applications. */
const NEWER_TABLES = "RM001";

export interface MigrateOptions {
  /** The schema of the log's tables, the same as for the log. Created if missing. @defaultValue "resumable_mcp" */
  readonly schema?: string;
  /** How long it may take, in milliseconds, including the wait for other migrations. @defaultValue 60000 */
  readonly timeoutMs?: number;
}

/**
 * Makes the tables that `postgresLog` needs, or brings them to the version of this release, in one transaction. Several
 * processes may run it at once, and any number of times: those after the first find nothing to do.
 *
 * The pool's user must own the schema, or be allowed to create one in the database. The user of the log needs `USAGE`
 * on the schema, and `SELECT`, `INSERT`, `UPDATE` and `DELETE` on its tables.
 *
 * @throws {EventStoreError} `invalid-option`; `backend` when the server refuses it, or has tables of a newer release;
 *   `timeout`.
 */
export async function migratePostgresLog(pool: PostgresPool, options: MigrateOptions = {}): Promise<void> {
  checkPool(pool);
  const { schema = DEFAULT_SCHEMA, timeoutMs = 60_000 } = options;
  checkSchema(schema);
  checkInteger("timeoutMs", timeoutMs, 1, MAX_TIMER_MS);
  try {
    const late = () => timeoutError("Postgres: the migration", timeoutMs, true);
    await within(pool.query(migrationOf(schema)), timeoutMs, late);
  } catch (error) {
    if (error instanceof EventStoreError) throw error;
    const failure = failureOf(error);
    if (failure.kind === "refused" && failure.code === NEWER_TABLES) {
      throw new EventStoreError(
        "backend",
        `The tables in the schema ${schema} are of a newer release; this one knows version ${SCHEMA_VERSION}. ` +
          "Use the newer release of @resumable-mcp/server, or another schema.",
        { cause: error },
      );
    }
    throw errorOf("the migration", failure, failure.kind === "disconnected");
  }
}

/** @throws {EventStoreError} `invalid-option`: so that the name is an identifier, whatever the caller takes it from. */
export function checkSchema(schema: unknown): asserts schema is string {
  if (typeof schema === "string" && /^[A-Za-z_][A-Za-z0-9_]{0,62}$/.test(schema)) return;
  throw new EventStoreError(
    "invalid-option",
    "schema must be a name of at most 63 ASCII letters, digits and underscores that begins with no digit, " +
      `not ${JSON.stringify(schema)}.`,
  );
}

/*
 * One statement, and so one transaction, on any connection that the pool gives. The lock's key is that of the schema's
 * name, and it goes with the transaction.
 *
 * `streams`: one row each, which everything that is asked of a stream locks or looks at first. The key is a hash,
 * since names may be longer than an index takes. `head` is the newest seq. An event is readable when it is not below
 * any of three bounds, which only grow: `floor` by seq, `expired_before` by time, `dropped_bytes` by `bytes_before`.
 * So retention costs an append some sums on the row that it writes anyway. `bytes` counts the payloads of all events
 * there ever were. `writers` has, for each log that has appended, its last call and the head after it. Rows leave room
 * for their next version beside them (fillfactor), so that indexes need not be touched.
 *
 * `events`: by epoch, not by stream, so that what a deleted stream has left cannot be met by its successor.
 *
 * `dropped`: epochs whose events are to be removed.
 */
function migrationOf(schema: string): string {
  return `
DO $resumable_mcp$
DECLARE known integer;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('resumable-mcp ${schema}', 0));
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = '${schema}') THEN
    CREATE SCHEMA "${schema}";
  END IF;
  CREATE TABLE IF NOT EXISTS "${schema}".versions (
    id integer PRIMARY KEY CHECK (id = 1),
    version integer NOT NULL
  );
  SELECT version INTO known FROM "${schema}".versions;
  IF known > ${SCHEMA_VERSION} THEN
    RAISE EXCEPTION 'newer tables' USING ERRCODE = '${NEWER_TABLES}';
  END IF;
  IF known IS NULL THEN
    CREATE TABLE "${schema}".streams (
      key bytea PRIMARY KEY,
      name text NOT NULL,
      epoch text NOT NULL,
      head bigint NOT NULL,
      floor bigint NOT NULL,
      bytes bigint NOT NULL,
      dropped_bytes bigint NOT NULL,
      last_at bigint NOT NULL,
      expired_before bigint NOT NULL,
      ttl_ms bigint,
      head_ttl_ms bigint,
      ended boolean NOT NULL,
      writers jsonb NOT NULL
    ) WITH (fillfactor = 50);
    CREATE TABLE "${schema}".events (
      epoch text NOT NULL,
      seq bigint NOT NULL,
      at bigint NOT NULL,
      bytes_before bigint NOT NULL,
      payload text NOT NULL,
      PRIMARY KEY (epoch, seq)
    );
    CREATE TABLE "${schema}".dropped (epoch text PRIMARY KEY);
    INSERT INTO "${schema}".versions (id, version) VALUES (1, ${SCHEMA_VERSION});
  END IF;
END
$resumable_mcp$`;
}
