import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { EventLog, Retention } from "../src/log/event-log.js";
import { sqliteLog, type SqliteLogOptions } from "../src/logs/sqlite/sqlite-log.js";
import { sqliteLibraries, type TestDatabase } from "./support/sqlite-libraries.js";

const RETENTION: Retention = { maxEvents: null, maxBytes: null, ttlMs: null, headTtlMs: null };

function rowsOf(database: TestDatabase, table: "streams" | "events"): unknown {
  const [row] = database.prepare(`SELECT count(*) AS count FROM resumable_mcp_${table}`).all();
  return (row as { count: unknown }).count;
}

describe.each(Object.entries(sqliteLibraries()))("sqliteLog on %s", (_, library) => {
  let folder: string;
  let path: string;
  let databases: TestDatabase[];
  let logs: EventLog[];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "resumable-mcp-sqlite-"));
    path = join(folder, "events.db");
    databases = [];
    logs = [];
  });

  afterEach(async () => {
    await Promise.all(logs.map((log) => log.close()));
    for (const database of databases)
      if (database.open !== false && database.isOpen !== false) database.close();
    await rm(folder, { recursive: true, force: true });
  });

  function open(): TestDatabase {
    const database = library(path);
    databases.push(database);
    return database;
  }

  function openLog(database = open(), options: SqliteLogOptions = {}): EventLog {
    const log = sqliteLog(database, { durability: "off", ...options });
    logs.push(log);
    return log;
  }

  it.each([
    ["durability", { durability: "safe" }],
    ["maxPayloadBytes", { maxPayloadBytes: 0 }],
    ["busyTimeoutMs", { busyTimeoutMs: -1 }],
    ["maxPendingBytes", { maxPendingBytes: 0.5 }],
    ["pollIntervalMs", { pollIntervalMs: 0 }],
    ["sweepIntervalMs", { sweepIntervalMs: Number.NaN }],
    ["now", { now: 5 }],
  ])("refuses a bad %s and says which option it was", (option, bad) => {
    expect(() => openLog(open(), bad as SqliteLogOptions)).toThrow(
      expect.objectContaining({
        code: "invalid-option",
        message: expect.stringContaining(option) as unknown,
      }),
    );
  });

  it("refuses what is no database handle", () => {
    for (const bad of [undefined, null, "events.db", {}, { exec: true, prepare: true }]) {
      expect(() => sqliteLog(bad as unknown as TestDatabase)).toThrow(
        expect.objectContaining({ code: "invalid-option" }),
      );
    }
  });

  it("refuses a closed database at construction", () => {
    const database = open();
    database.close();
    expect(() => sqliteLog(database)).toThrow(expect.objectContaining({ code: "backend" }));
  });

  it("refuses a file that is no database at construction", async () => {
    await writeFile(path, "This is a letter, and it is longer than a header.".repeat(100));
    expect(() => openLog()).toThrow(expect.objectContaining({ code: "backend" }));
  });

  it("refuses a database that takes no writes at construction, also when the tables are there", async () => {
    await openLog().append("stream", "event", RETENTION);
    const database = open();
    database.exec("PRAGMA query_only = 1");
    expect(() => openLog(database)).toThrow(expect.objectContaining({ code: "backend" }));
    expect(rowsOf(database, "events")).toBe(1);
  });

  it("refuses the tables of a newer release, and changes nothing", () => {
    const database = open();
    openLog(database);
    database.exec("UPDATE resumable_mcp_schema SET version = 2");
    expect(() => openLog(open())).toThrow(
      expect.objectContaining({ code: "backend", message: expect.stringContaining("version 2") as unknown }),
    );
    expect(database.prepare("SELECT version FROM resumable_mcp_schema").all()).toEqual([
      expect.objectContaining({ version: 2 }),
    ]);
  });

  it("fails every call with a typed error once the database was closed under it", async () => {
    const database = open();
    const log = openLog(database);
    await log.append("stream", "event", RETENTION);
    const waiting = log.append("stream", "waiting", RETENTION);
    database.close();
    const failure = { code: "backend", mayHaveHappened: false };
    await expect(waiting).rejects.toMatchObject(failure);
    await expect(log.append("stream", "late", RETENTION)).rejects.toMatchObject(failure);
    await expect(log.read("stream", 0, 10)).rejects.toMatchObject({ code: "backend" });
    await expect(log.end("stream")).rejects.toMatchObject(failure);
    await expect(log.delete("stream")).rejects.toMatchObject(failure);
    expect(() => log.subscribe("stream", () => undefined)).toThrow(
      expect.objectContaining({ code: "backend" }),
    );
    const page = await openLog().read("stream", 0, 10);
    expect(page?.entries).toEqual([{ seq: 1, payload: "event" }]);
  });

  it("fails with a typed error when its tables are gone, and writes nothing by halves", async () => {
    const database = open();
    const log = openLog(database);
    await log.append("stream", "event", RETENTION);
    database.exec("DROP TABLE resumable_mcp_events");
    const failure = { code: "backend", mayHaveHappened: false };
    await expect(log.append("stream", "known", RETENTION)).rejects.toMatchObject(failure);
    await expect(log.append("other", "new", RETENTION)).rejects.toMatchObject({ code: "backend" });
    await expect(log.read("stream", 0, 10)).rejects.toMatchObject({ code: "backend" });
    expect(rowsOf(database, "streams")).toBe(1);
  });

  it("stores all appends of a transaction or none when one of them fails", async () => {
    const database = open();
    const log = openLog(database);
    await log.append("stream", "event 1", RETENTION);
    database.exec(
      "CREATE TRIGGER broken BEFORE INSERT ON resumable_mcp_events WHEN NEW.payload = 'bad' " +
        "BEGIN SELECT RAISE(ABORT, 'the disk is on fire'); END",
    );
    const results = await Promise.allSettled(
      ["event 2", "bad", "event 3"].map((payload) => log.append("stream", payload, RETENTION)),
    );
    for (const result of results) {
      expect(result).toMatchObject({
        status: "rejected",
        reason: { code: "backend", mayHaveHappened: false },
      });
    }
    await expect(log.append("stream", "event 2", RETENTION)).resolves.toMatchObject({ seq: 2 });
    expect((await log.read("stream", 0, 10))?.entries.map(({ payload }) => payload)).toEqual([
      "event 1",
      "event 2",
    ]);
  });

  it("waits for another connection's transaction while the event loop turns", async () => {
    const log = openLog();
    const other = open();
    other.exec("BEGIN IMMEDIATE");
    const turns = vi.fn();
    const turning = setInterval(turns, 1);
    const appended = log.append("stream", "event", RETENTION);
    await expect.poll(() => turns.mock.calls.length).toBeGreaterThan(10);
    clearInterval(turning);
    other.exec("COMMIT");
    await expect(appended).resolves.toMatchObject({ seq: 1 });
  });

  it("gives a write up after busyTimeoutMs with nothing written, and the order of the others stays", async () => {
    const log = openLog(open(), { busyTimeoutMs: 100 });
    const other = open();
    other.exec("BEGIN IMMEDIATE");
    const given = [1, 2, 3].map((number) => log.append("stream", `late ${number}`, RETENTION));
    for (const result of await Promise.allSettled(given)) {
      expect(result).toMatchObject({
        status: "rejected",
        reason: { code: "timeout", mayHaveHappened: false },
      });
    }
    other.exec("COMMIT");
    await expect(log.append("stream", "event", RETENTION)).resolves.toMatchObject({ seq: 1 });
  });

  it("refuses appends past maxPendingBytes at once, and goes on when the waiting ones are done", async () => {
    const log = openLog(open(), { maxPendingBytes: 10_000 });
    const appends = Array.from({ length: 20 }, () => log.append("stream", "x".repeat(1000), RETENTION));
    const results = await Promise.allSettled(appends);
    const stored = results.filter(({ status }) => status === "fulfilled").length;
    expect(stored).toBe(6);
    for (const result of results.slice(stored)) {
      expect(result).toMatchObject({
        status: "rejected",
        reason: { code: "overloaded", mayHaveHappened: false },
      });
    }
    await expect(log.append("stream", "x".repeat(20_000), RETENTION)).resolves.toMatchObject({
      seq: stored + 1,
    });
  });

  it("fails instead of joining a transaction that was left open on its handle", async () => {
    const database = open();
    const log = openLog(database);
    await log.append("stream", "event", RETENTION);
    database.exec("BEGIN");
    await expect(log.append("stream", "astray", RETENTION)).rejects.toMatchObject({ code: "backend" });
    // The failed transaction must not end the other one.
    database.exec("COMMIT");
    await expect(log.append("stream", "event", RETENTION)).resolves.toMatchObject({ seq: 2 });
  });

  it("keeps payloads and names with NUL and other control characters", async () => {
    const log = openLog();
    const texts = [
      "a",
      "a\0",
      "a\0b",
      "\0",
      "\0\0",
      "\u0001",
      "\u00010",
      "\u00011\u00010\0",
      "a\u0001b",
      "\ufeff\0",
    ];
    await Promise.all(texts.map((text) => log.append(text, text, RETENTION)));
    for (const text of texts) {
      expect((await log.read(text, 0, 10))?.entries, JSON.stringify(text)).toEqual([
        { seq: 1, payload: text },
      ]);
    }
  });

  it("leaves the handle open and usable after close", async () => {
    const database = open();
    await openLog(database).close();
    expect(rowsOf(database, "events")).toBe(0);
  });
});
