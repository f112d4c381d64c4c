import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { EventLog, Retention } from "../src/log/event-log.js";
import type { SqliteDatabase } from "../src/logs/sqlite/sqlite-log.js";
import { sqliteLog, type SqliteLogOptions } from "../src/logs/sqlite/sqlite-log.js";
import { sqliteLibraries, type TestDatabase } from "./support/sqlite-libraries.js";

const UNLIMITED: Retention = { maxEvents: null, maxBytes: null, ttlMs: null, headTtlMs: null };
const HOUR_MS = 3_600_000;

interface Ran {
  /** The statement's first word. */
  readonly verb: string;
  /** How many rows it changed. */
  readonly changes: number;
}

/** A handle that takes note of every statement. */
function watched(database: TestDatabase): { handle: SqliteDatabase; ran: Ran[] } {
  const ran: Ran[] = [];
  const note = (sql: string, changes: number | bigint) => {
    const [verb = ""] = sql.trim().split(/\s/);
    ran.push({ verb, changes: Number(changes) });
  };
  const handle: SqliteDatabase = {
    exec: (sql) => {
      note(sql, 0);
      return database.exec(sql);
    },
    prepare: (sql) => {
      const statement = database.prepare(sql);
      return {
        run: (...parameters) => {
          const result = statement.run(...parameters);
          note(sql, result.changes);
          return result;
        },
        all: (...parameters) => {
          note(sql, 0);
          return statement.all(...parameters);
        },
      };
    },
    // Read at each look, as on the handle itself; a handle has one pair or the other.
    get open() {
      return database.open;
    },
    get inTransaction() {
      return database.inTransaction ?? database.isTransaction ?? false;
    },
  };
  return { handle, ran };
}

describe.each(Object.entries(sqliteLibraries()))("sqliteLog on %s", (_, library) => {
  let folder: string;
  let database: TestDatabase;
  let logs: EventLog[];
  const clock = { ms: 0 };

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "resumable-mcp-sqlite-"));
    database = library(join(folder, "events.db"));
    logs = [];
    clock.ms = 1_000_000;
  });

  afterEach(async () => {
    await Promise.all(logs.map((log) => log.close()));
    database.close();
    await rm(folder, { recursive: true, force: true });
  });

  function watchedLog(options: SqliteLogOptions = {}): { log: EventLog; ran: Ran[]; verbs: () => string[] } {
    const { handle, ran } = watched(database);
    const log = sqliteLog(handle, { durability: "off", now: () => clock.ms, ...options });
    logs.push(log);
    return { log, ran, verbs: () => ran.map(({ verb }) => verb) };
  }

  function pragma(name: string): unknown {
    const [row] = database.prepare(`PRAGMA ${name}`).all();
    return (row as Record<string, unknown>)[name];
  }

  // The numbers are those of sqlite.org/pragma.html#pragma_synchronous.
  it.each([
    ["full", { durability: "full" }, 2],
    ["normal", { durability: "normal" }, 1],
    ["off", { durability: "off" }, 0],
    ["full unless told otherwise", {}, 2],
  ] as const)("syncs to the disk as the durability says: %s", (_name, options, synchronous) => {
    logs.push(sqliteLog(database, options));
    expect(pragma("synchronous")).toBe(synchronous);
    expect(pragma("journal_mode")).toBe("wal");
  });

  // It takes them for names, and the log would fail at its second append.
  it("uses no numbered parameters, which better-sqlite3 does not take by their places", async () => {
    const statements: string[] = [];
    const prepare = (sql: string) => {
      statements.push(sql);
      return database.prepare(sql);
    };
    const { handle } = watched(database);
    const log = sqliteLog({ ...handle, prepare });
    await log.append("stream", "first", UNLIMITED);
    await log.append("stream", "second", UNLIMITED);
    await log.close();
    expect(statements.filter((sql) => sql.includes("?")).length).toBeGreaterThan(5);
    expect(statements.filter((sql) => /\?\d/.test(sql))).toEqual([]);
  });

  it("runs one statement for each append, and two for each page", async () => {
    const { log, ran, verbs } = watchedLog();
    await log.append("stream", "first", UNLIMITED);
    ran.length = 0;
    for (let event = 0; event < 100; event += 1) await log.append("stream", `event ${event}`, UNLIMITED);
    expect(verbs()).toEqual(Array.from({ length: 100 }, () => "INSERT"));
    ran.length = 0;
    await log.read("stream", 10, 50);
    expect(verbs()).toEqual(["SELECT", "SELECT"]);
  });

  it("commits the appends of one tick together, whatever their streams", async () => {
    const { log, ran, verbs } = watchedLog();
    const streams = Array.from({ length: 16 }, (_unused, index) => `stream ${index}`);
    for (const stream of streams) await log.append(stream, "first", UNLIMITED);
    ran.length = 0;
    await Promise.all([...streams, ...streams].map((stream) => log.append(stream, "event", UNLIMITED)));
    expect(verbs()).toEqual(["BEGIN", ...Array.from({ length: 32 }, () => "INSERT"), "COMMIT"]);
  });

  it("removes what was dropped by the dozen, and nothing that has expired on the way of an append", async () => {
    const { log, ran } = watchedLog();
    const removals = () => ran.filter(({ verb }) => verb === "DELETE").length;
    for (let event = 0; event < 640; event += 1) {
      await log.append("trimmed", `event ${event}`, { ...UNLIMITED, maxEvents: 10 });
    }
    expect(removals()).toBeGreaterThan(0);
    expect(removals()).toBeLessThanOrEqual(10);
    ran.length = 0;
    const short = { ...UNLIMITED, ttlMs: 1000, headTtlMs: HOUR_MS };
    for (let event = 0; event < 100; event += 1) await log.append("expired", `event ${event}`, short);
    clock.ms += 10_000;
    for (let event = 0; event < 10; event += 1) await log.append("expired", `event ${event}`, short);
    expect((await log.read("expired", 0, 200))?.floor).toBe(101);
    expect(removals()).toBe(0);
  });

  it("removes what has expired in steps of some hundred rows", async () => {
    const { log, ran } = watchedLog({ sweepIntervalMs: 1 });
    const short = { ...UNLIMITED, ttlMs: 1000, headTtlMs: HOUR_MS };
    await Promise.all(Array.from({ length: 1700 }, () => log.append("stream", "event", short)));
    clock.ms += 10_000;
    const removed = () => ran.filter(({ verb }) => verb === "DELETE").map(({ changes }) => changes);
    // All but the newest, whose row carries the head.
    await expect.poll(() => removed().reduce((sum, rows) => sum + rows, 0), { timeout: 20_000 }).toBe(1699);
    expect(Math.max(...removed())).toBeLessThanOrEqual(500);
  });
});
