import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EventLog } from "@resumable-mcp/server";
import type { EventLogCapabilities } from "@resumable-mcp/testing/event-log-suite";
import { sqliteLog, type SqliteLogOptions } from "../../src/logs/sqlite/sqlite-log.js";
import type { TestDatabase } from "./sqlite-libraries.js";

export interface SqliteFixture {
  readonly log: EventLog;
  readonly path: string;
  readonly clock: { ms: number };
  /** Another handle on the file, closed with the fixture. */
  readonly open: () => TestDatabase;
  /** A log of its own handle on the file. */
  readonly openLog: (options?: SqliteLogOptions) => EventLog;
  dispose(): Promise<void>;
}

/** A log on a new file, on a clock that stands still, which is closed and removed with the fixture. */
export async function sqliteFixture(
  library: (path: string) => TestDatabase,
  options: SqliteLogOptions = {},
): Promise<SqliteFixture> {
  const folder = await mkdtemp(join(tmpdir(), "resumable-mcp-sqlite-"));
  const path = join(folder, "events.db");
  const databases: TestDatabase[] = [];
  const logs: EventLog[] = [];
  const clock = { ms: 1_000_000 };
  const open = () => {
    const database = library(path);
    databases.push(database);
    return database;
  };
  const openLog = (more: SqliteLogOptions = {}) => {
    // The machine's disk is not what is tested.
    const log = sqliteLog(open(), { durability: "off", now: () => clock.ms, ...options, ...more });
    logs.push(log);
    return log;
  };
  return {
    log: openLog(),
    path,
    clock,
    open,
    openLog,
    dispose: async () => {
      await Promise.all(logs.map((log) => log.close()));
      for (const database of databases) if (database.open !== false) database.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const MINUTE_MS = 60_000;

export const sqliteCapabilities: EventLogCapabilities<SqliteFixture> = {
  time: {
    unitMs: MINUTE_MS,
    elapse: async ({ clock }, ms) => {
      clock.ms += ms;
    },
  },
  reopen: ({ openLog }) => openLog(),
  another: ({ openLog }) => openLog(),
  bounded: ({ openLog }, maxPendingBytes) => openLog({ maxPendingBytes }),
  flush: ({ open }) => {
    open().exec("DELETE FROM resumable_mcp_events; DELETE FROM resumable_mcp_streams");
  },
};
