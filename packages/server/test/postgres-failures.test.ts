import { PGlite } from "@electric-sql/pglite";
import { faultProxy } from "@resumable-mcp/testing/fault-proxy";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { PostgresServer, whyNoPostgres } from "../../../test-support/postgres-server.js";
import { describeUnless } from "../../../test-support/skip.js";
import { freePort } from "../../../test-support/redis-server.js";
import {
  migratePostgresLog,
  postgresLog,
  type PostgresLogOptions,
} from "../src/logs/postgres/postgres-log.js";
import { openPool } from "./support/postgres-fixtures.js";

const UNLIMITED = { maxEvents: null, maxBytes: null, ttlMs: null, headTtlMs: null };
const why = whyNoPostgres();

/** A log on a pool of its own, both closed when the test is over. */
function open(url: string, options: PostgresLogOptions = {}) {
  const pool = openPool(url);
  const log = postgresLog(pool, options);
  onTestFinished(async () => {
    await log.close();
    if (!pool.ending) await pool.end();
  });
  return { pool, log };
}

describeUnless(why, "postgresLog on a server", () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await PostgresServer.start();
  });
  afterAll(async () => server.stop());

  async function throughProxy(options: PostgresLogOptions) {
    const proxy = await faultProxy({ target: `http://127.0.0.1:${server.port}`, seed: 1 });
    // Without notifications, the one connection of the pool is at rest between two appends.
    const quiet = { wakeUp: "poll", ...options } as const;
    const { log, pool } = open(`postgres://postgres@127.0.0.1:${proxy.port}/postgres`, quiet);
    // Before the pool, which waits for its connections to end: the silent ones never would.
    onTestFinished(() => proxy.close());
    await migratePostgresLog(pool, options);
    return { log, proxy };
  }

  it("stores an append once when the connection is cut after the server has stored it", async () => {
    const { log, proxy } = await throughProxy({ schema: "cut" });
    const first = await log.append("stream", "first", UNLIMITED);
    for (let seq = 2; seq <= 6; seq += 1) {
      expect(proxy.silenceAll("down")).toBeGreaterThan(0);
      const appended = log.append("stream", `event ${seq}`, UNLIMITED);
      const later = log.append("stream", `event ${seq} too`, { ...UNLIMITED, maxEvents: 1000 });
      await expect
        .poll(() => server.query("SELECT head FROM cut.streams"), { timeout: 20_000 })
        .toEqual([{ head: String(2 * seq - 2) }]);
      expect(proxy.killAll()).toBeGreaterThan(0);
      expect(await appended).toEqual({ epoch: first.epoch, seq: 2 * seq - 2 });
      expect((await later).seq).toBe(2 * seq - 1);
    }
    const page = await log.read("stream", 0, 100);
    const expected = [2, 3, 4, 5, 6].flatMap((seq) => [`event ${seq}`, `event ${seq} too`]);
    expect(page?.entries.map(({ payload }) => payload)).toEqual(["first", ...expected]);
  });

  it("says that an append may have happened when no answer comes, and then is right about it", async () => {
    const { log, proxy } = await throughProxy({ schema: "silent", timeoutMs: 500 });
    await log.append("stream", "first", UNLIMITED);
    proxy.silenceAll("down");
    await expect(log.append("stream", "second", UNLIMITED)).rejects.toMatchObject({
      code: "timeout",
      mayHaveHappened: true,
    });
    expect(await server.query("SELECT head FROM silent.streams")).toEqual([{ head: "2" }]);
  });

  it("says that an append has not happened when there is no server", async () => {
    const { log } = open(`postgres://postgres@127.0.0.1:${await freePort()}/postgres`, { timeoutMs: 300 });
    await expect(log.append("stream", "event", UNLIMITED)).rejects.toMatchObject({
      code: "backend",
      mayHaveHappened: false,
    });
    await expect(log.read("stream", 0, 1)).rejects.toMatchObject({ code: "backend" });
  });

  it("names the migration when the tables are missing", async () => {
    const { log } = open(server.url, { schema: "nowhere" });
    const error = {
      code: "backend",
      mayHaveHappened: false,
      message: expect.stringContaining("migratePostgresLog") as string,
    };
    await expect(log.append("stream", "event", UNLIMITED)).rejects.toMatchObject(error);
    await expect(log.read("stream", 0, 1)).rejects.toMatchObject(error);
    await expect(log.end("stream")).rejects.toMatchObject(error);
    await expect(log.delete("stream")).rejects.toMatchObject(error);
  });

  it("fails at once, and with nothing stored, when the pool was ended", async () => {
    const { log, pool } = open(server.url, { schema: "ended", wakeUp: "poll", timeoutMs: 60_000 });
    await migratePostgresLog(pool, { schema: "ended" });
    await log.append("stream", "event", UNLIMITED);
    await pool.end();
    await expect(log.append("stream", "late", UNLIMITED)).rejects.toMatchObject({
      code: "backend",
      mayHaveHappened: false,
    });
    expect(() => postgresLog(pool)).toThrow(expect.objectContaining({ code: "invalid-option" }));
  });

  it("leaves the pool open, with every connection given back", async () => {
    const { log, pool } = open(server.url, { schema: "open" });
    await migratePostgresLog(pool, { schema: "open" });
    log.subscribe("stream", () => undefined);
    await log.append("stream", "event", UNLIMITED);
    await log.close();
    expect((await pool.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
    expect(pool.totalCount - pool.idleCount).toBe(0);
  });

  it("migrates once, however often and by however many at once", async () => {
    const pools = [1, 2, 3, 4].map(() => openPool(server.url));
    onTestFinished(async () => {
      await Promise.all(pools.map((pool) => pool.end()));
    });
    await Promise.all(
      pools.flatMap((pool) => [1, 2].map(() => migratePostgresLog(pool, { schema: "many" }))),
    );
    const { log } = open(server.url, { schema: "many" });
    await log.append("stream", "event", UNLIMITED);
    await migratePostgresLog(pools[0]!, { schema: "many" });
    expect(await server.query("SELECT version FROM many.versions")).toEqual([{ version: 1 }]);
    expect((await log.read("stream", 0, 10))?.head.seq).toBe(1);
  });

  it("refuses tables of a newer release, and leaves them as they are", async () => {
    const { pool } = open(server.url);
    await migratePostgresLog(pool, { schema: "newer" });
    await pool.query("UPDATE newer.versions SET version = 99");
    await expect(migratePostgresLog(pool, { schema: "newer" })).rejects.toMatchObject({
      code: "backend",
      message: expect.stringContaining("newer release") as string,
    });
    expect(await server.query("SELECT version FROM newer.versions")).toEqual([{ version: 99 }]);
  });

  it("removes the rows of what has expired, was dropped or deleted, and no others", async () => {
    const onError = vi.fn();
    await migratePostgresLog(open(server.url).pool, { schema: "swept" });
    const { log } = open(server.url, { schema: "swept", sweepIntervalMs: 50, onError });
    const rows = async () => {
      const [counts] = await server.query(
        `SELECT (SELECT count(*)::int FROM swept.streams) AS streams,
          (SELECT count(*)::int FROM swept.events) AS events,
          (SELECT count(*)::int FROM swept.dropped) AS dropped`,
      );
      return counts;
    };
    const many = Array.from({ length: 1200 }, (_, index) => `event ${index}`);
    const short = { ...UNLIMITED, ttlMs: 1, headTtlMs: 1 };
    await Promise.all([
      ...many.map((payload) => log.append("expired", payload, short)),
      ...many.map((payload) => log.append("silent", payload, { ...UNLIMITED, ttlMs: 1 })),
      ...many.map((payload) => log.append("deleted", payload, UNLIMITED)),
      ...many.map((payload) => log.append("trimmed", payload, { ...UNLIMITED, maxEvents: 10 })),
      ...many.map((payload) => log.append("kept", payload, UNLIMITED)),
    ]);
    await log.delete("deleted");
    await expect.poll(rows, { timeout: 20_000 }).toEqual({ streams: 3, events: 1210, dropped: 0 });
    expect((await log.read("kept", 0, 2000))?.entries.length).toBe(1200);
    expect(onError).not.toHaveBeenCalled();
    expect(await log.read("silent", 0, 10)).toMatchObject({ floor: 1201, head: { seq: 1200 } });
  });
});

describe("the options of postgresLog", () => {
  const pool = { query: async () => ({ rows: [] }) };

  it.each([
    ["schema", "a-b"],
    ["schema", 'x"; DROP'],
    ["schema", "a".repeat(64)],
    ["wakeUp", "sometimes"],
    ["wakeUp", "notify"],
    ["pollIntervalMs", 0],
    ["heartbeatMs", 1.5],
    ["timeoutMs", 2 ** 31],
    ["sweepIntervalMs", Number.NaN],
    ["maxPayloadBytes", 0],
    ["maxPendingBytes", -1],
    ["onError", "log"],
  ])("refuse %s = %s", (option, value) => {
    // As a caller without types would give them.
    const options = { [option]: value } as PostgresLogOptions;
    expect(() => postgresLog(pool, options)).toThrow(
      expect.objectContaining({
        code: "invalid-option",
        message: expect.stringContaining(option) as string,
      }),
    );
  });

  it("refuse notifications over a pool of one connection, which they would take", async () => {
    const one = openPool("postgres://127.0.0.1:1/none", 1);
    expect(() => postgresLog(one)).toThrow(expect.objectContaining({ code: "invalid-option" }));
    await one.end();
  });

  it("refuse what is no pool, and a PGlite that was closed", async () => {
    const notPools = [undefined, {}, "postgres://"] as unknown as (typeof pool)[];
    for (const none of notPools) {
      expect(() => postgresLog(none)).toThrow(expect.objectContaining({ code: "invalid-option" }));
      await expect(migratePostgresLog(none)).rejects.toMatchObject({ code: "invalid-option" });
    }
    const closed = await PGlite.create();
    await closed.close();
    expect(() => postgresLog(closed)).toThrow(expect.objectContaining({ code: "invalid-option" }));
  });
});
