import { PGlite } from "@electric-sql/pglite";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { PostgresServer, whyNoPostgres } from "../../../test-support/postgres-server.js";
import { describeUnless } from "../../../test-support/skip.js";
import {
  migratePostgresLog,
  postgresLog,
  type PostgresLogOptions,
  type PostgresPool,
} from "../src/logs/postgres/postgres-log.js";
import { openPool } from "./support/postgres-fixtures.js";

const UNLIMITED = { maxEvents: null, maxBytes: null, ttlMs: null, headTtlMs: null };
/** Longer than any test. */
const NEVER_MS = 2 ** 31 - 1;
const why = whyNoPostgres();

interface Ran {
  readonly text: string;
  readonly rows: readonly unknown[];
}

/** A log, and every statement that it runs through the pool. */
function watchedLog(pool: PostgresPool, options: PostgresLogOptions) {
  const ran: Ran[] = [];
  const connect = pool.connect?.bind(pool);
  const watched: PostgresPool = {
    query: async (text, params) => {
      const result = await pool.query(text, params);
      ran.push({ text, rows: result.rows });
      return result;
    },
    ...(connect === undefined ? {} : { connect }),
  };
  const log = postgresLog(watched, { sweepIntervalMs: NEVER_MS, ...options });
  onTestFinished(() => log.close());
  return { log, ran };
}

describe("the statements of postgresLog on PGlite", () => {
  let database: PGlite;
  beforeAll(async () => {
    database = await PGlite.create();
    await migratePostgresLog(database);
  });
  afterAll(() => database.close());

  it("are one for each append, the first of a stream included, and one for each page", async () => {
    const { log, ran } = watchedLog(database, {});
    for (let event = 0; event < 50; event += 1) {
      await log.append(`stream ${event % 5}`, `event ${event}`, UNLIMITED);
    }
    expect(ran).toHaveLength(50);
    expect(new Set(ran.map(({ text }) => text)).size).toBe(1);
    ran.length = 0;
    for (let after = 0; after < 10; after += 1) await log.read("stream 1", after, 5);
    expect(ran).toHaveLength(10);
  });

  it("are few for many appends at once to one stream", async () => {
    const { log, ran } = watchedLog(database, {});
    await Promise.all(Array.from({ length: 500 }, (_, event) => log.append("many", `${event}`, UNLIMITED)));
    expect(ran.length).toBeLessThanOrEqual(4);
    expect((await log.read("many", 0, 1))?.head.seq).toBe(500);
  });

  it("remove a bounded number of events each, beside the appends", async () => {
    const { log, ran } = watchedLog(database, {});
    const one = { ...UNLIMITED, maxEvents: 1 };
    await Promise.all(Array.from({ length: 1500 }, (_, event) => log.append("trimmed", `${event}`, one)));
    const removed = () =>
      ran.flatMap(({ rows }) => rows.map((row) => Number((row as { removed?: unknown }).removed ?? 0)));
    await expect.poll(() => removed().reduce((sum, count) => sum + count, 0), { timeout: 20_000 }).toBe(1499);
    expect(Math.max(...removed())).toBeLessThanOrEqual(500);
  });

  it("do not pile up past maxPendingBytes: an append is refused, and nothing of it stored", async () => {
    const { log } = watchedLog(database, { maxPendingBytes: 20_000 });
    const payload = "x".repeat(1000);
    const results = await Promise.allSettled(
      Array.from({ length: 100 }, () => log.append("busy", payload, UNLIMITED)),
    );
    const refused = results.filter((result) => result.status === "rejected");
    expect(refused.length).toBeGreaterThan(50);
    for (const { reason } of refused) {
      expect(reason).toMatchObject({ code: "overloaded", mayHaveHappened: false });
    }
    const page = await log.read("busy", 0, 200);
    expect(page?.entries).toHaveLength(100 - refused.length);
    expect(await log.append("busy", payload, UNLIMITED)).toMatchObject({ seq: 101 - refused.length });
  });
});

describeUnless(why, "the notifications of postgresLog", () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await PostgresServer.start();
  });
  afterAll(async () => server.stop());

  it("are statements of their own, outside the append's transaction, and none with polling", async () => {
    const pool = openPool(server.url);
    onTestFinished(() => pool.end());
    await migratePostgresLog(pool);
    const notifying = watchedLog(pool, { wakeUp: "notify" });
    await notifying.log.append("stream", "event 1", UNLIMITED);
    await expect.poll(() => notifying.ran.length, { timeout: 20_000 }).toBe(2);
    const [append, notification] = notifying.ran.map(({ text }) => text);
    expect(append).not.toMatch(/notify|begin/i);
    expect(notification).toMatch(/^SELECT pg_notify/);
    const polling = watchedLog(pool, { wakeUp: "poll" });
    await polling.log.append("stream", "event 2", UNLIMITED);
    await polling.log.close();
    expect(polling.ran.map(({ text }) => text)).toEqual([append]);
  });
});
