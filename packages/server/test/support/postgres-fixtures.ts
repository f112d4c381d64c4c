import { PGlite } from "@electric-sql/pglite";
import { Pool } from "pg";
import type { PostgresServer } from "../../../../test-support/postgres-server.js";
import type { EventLog } from "../../src/log/event-log.js";
import {
  migratePostgresLog,
  postgresLog,
  type PostgresLogOptions,
  type PostgresPool,
} from "../../src/logs/postgres/postgres-log.js";

const MINUTE_MS = 60_000;
const SERVER_CLOCK = "(extract(epoch FROM statement_timestamp()) * 1000)::bigint";

/** The pool, but that every statement sees this clock in place of the server's. All else is the real server's. */
export function withClock(pool: PostgresPool, clock: { readonly ms: number }): PostgresPool {
  const connect = pool.connect?.bind(pool);
  return {
    query: (text, params) => pool.query(text.replaceAll(SERVER_CLOCK, `${clock.ms}::bigint`), params),
    ...(connect === undefined ? {} : { connect }),
  };
}

/** A pool whose idle connections may break: the calls that fail report it. */
export function openPool(url: string, max = 10): Pool {
  const pool = new Pool({ connectionString: url, max });
  pool.on("error", () => undefined);
  return pool;
}

/** A database that is running, for many fixtures. */
export interface OpenDatabase {
  readonly pool: PostgresPool;
  stop(): Promise<void>;
}

export async function openServer(server: PostgresServer): Promise<OpenDatabase> {
  const pool = openPool(server.url);
  return {
    pool,
    stop: async () => {
      await pool.end();
      await server.stop();
    },
  };
}

export async function openPglite(): Promise<OpenDatabase> {
  const pool = await PGlite.create();
  return { pool, stop: () => pool.close() };
}

export interface PostgresFixture {
  readonly log: EventLog;
  readonly clock: { ms: number };
  dispose(): Promise<void>;
}

/** Makes logs on empty tables: one schema, emptied, since making one takes longer than most tests. */
export function postgresFixtures(database: () => OpenDatabase, options: PostgresLogOptions = {}) {
  const schema = options.schema ?? "suite";
  let isMigrated = false;
  const flush = async () => {
    // One by one: a truncated table gets new files, and these tables are small.
    for (const table of ["dropped", "streams", "events"]) {
      await database().pool.query(`DELETE FROM ${schema}.${table}`);
    }
  };
  const another = ({ clock }: Pick<PostgresFixture, "clock">, more: PostgresLogOptions = {}) =>
    postgresLog(withClock(database().pool, clock), { ...options, ...more, schema });
  return {
    create: async (): Promise<PostgresFixture> => {
      if (!isMigrated) await migratePostgresLog(database().pool, { schema });
      isMigrated = true;
      await flush();
      const clock = { ms: 1_000_000_000_000 };
      const log = another({ clock });
      return { log, clock, dispose: () => log.close() };
    },
    capabilities: {
      time: {
        unitMs: MINUTE_MS,
        elapse: async ({ clock }: PostgresFixture, ms: number) => {
          clock.ms += ms;
        },
      },
      reopen: (fixture: PostgresFixture) => another(fixture),
      another: (fixture: PostgresFixture) => another(fixture),
      bounded: (fixture: PostgresFixture, maxPendingBytes: number) => another(fixture, { maxPendingBytes }),
      flush,
    },
  };
}
