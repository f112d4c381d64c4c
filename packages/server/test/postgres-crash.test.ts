import { afterAll, beforeAll, expect, it } from "vitest";
import type { Pool } from "pg";
import { PostgresServer, whyNoPostgres } from "../../../test-support/postgres-server.js";
import { describeUnless } from "../../../test-support/skip.js";
import { repetitions } from "../../../test-support/repetitions.js";
import { migratePostgresLog, postgresLog } from "../src/logs/postgres/postgres-log.js";
import { openPool } from "./support/postgres-fixtures.js";
import { type Acknowledged, AppendingProcess } from "./support/appending-process.js";
import { seededRandom } from "../../testing/src/random.js";

const STREAMS = 3;
const RETENTION = { maxEvents: null, maxBytes: null, ttlMs: null, headTtlMs: null };
const CLIENT_KILLS = repetitions({ full: 200, scaled: 3 });
const SERVER_KILLS = repetitions({ full: 50, scaled: 2 });
/** A life ends when it has acknowledged so many events and a moment more, so that each gets to work. */
const MAX_EVENTS_BEFORE_KILL = 60;
const MAX_DELAY_MS = 8;

const why = whyNoPostgres();

/** What the next process finds. */
async function assertNothingLost(pool: Pool, schema: string, told: readonly Acknowledged[]): Promise<void> {
  const log = postgresLog(pool, { schema, timeoutMs: 20_000 });
  for (let number = 0; number < STREAMS; number += 1) {
    const stream = `stream ${number}`;
    const page = await log.read(stream, 0, 1_000_000);
    const stored = new Map(page?.entries.map(({ seq, payload }) => [seq, payload]));
    expect([...stored.keys()]).toEqual(Array.from({ length: page?.head.seq ?? 0 }, (_, index) => index + 1));
    const payloads = [...stored.values()].filter((payload) => payload.includes("/"));
    expect(new Set(payloads).size, "an event was stored twice").toBe(payloads.length);
    for (const { epoch, seq, payload } of told.filter((event) => event.stream === stream)) {
      expect([page?.head.epoch, stored.get(seq)], `${stream} ${seq}`).toEqual([epoch, payload]);
    }
    const next = await log.append(stream, "on it goes", RETENTION);
    expect(next.seq).toBe((page?.head.seq ?? 0) + 1);
  }
  await log.close();
}

describeUnless(why, "crashes", () => {
  let server: PostgresServer;
  let pool: Pool;
  const seed = Date.now();
  const random = seededRandom(seed);
  beforeAll(async () => {
    server = await PostgresServer.start();
    pool = openPool(server.url);
  });
  afterAll(async () => {
    await pool.end();
    await server.stop();
  });

  /** Lets a process append, and does something to it or its server at a random instant. */
  async function live(schema: string, end: (child: AppendingProcess) => Promise<void>) {
    const inFlight = 1 + Math.floor(random() * 8);
    const work = { streams: STREAMS, inFlight, appends: 1_000_000 };
    const child = await AppendingProcess.start("./postgres-process.mjs", [server.url, schema], work);
    try {
      const wanted = Math.floor(random() * MAX_EVENTS_BEFORE_KILL);
      child.go();
      await expect
        .poll(() => child.acknowledged.length, { interval: 1, timeout: 20_000 })
        .toBeGreaterThan(wanted);
      const endAt = performance.now() + random() * MAX_DELAY_MS;
      // Not a timer, which comes by whole milliseconds.
      while (performance.now() < endAt) await new Promise((resolve) => setImmediate(resolve));
      await end(child);
    } finally {
      await child.kill();
    }
    // What it had sent may still be stored after its end: then the server has not noticed yet.
    const connected = "SELECT pid FROM pg_stat_activity WHERE application_name = 'child'";
    await expect.poll(() => server.query(connected), { timeout: 20_000 }).toEqual([]);
    return child.acknowledged;
  }

  async function repeat(times: number, schema: string, life: () => Promise<readonly Acknowledged[]>) {
    await migratePostgresLog(pool, { schema });
    const told: Acknowledged[] = [];
    for (let number = 1; number <= times; number += 1) {
      try {
        told.push(...(await life()));
        await assertNothingLost(pool, schema, told);
      } catch (cause) {
        throw new Error(`In life ${number} of seed ${seed}`, { cause });
      }
    }
    expect(told.length).toBeGreaterThanOrEqual(times);
  }

  it(`lose no acknowledged event when ${CLIENT_KILLS} processes are killed at random instants`, async () => {
    await repeat(CLIENT_KILLS, "clients", () => live("clients", (child) => child.kill()));
  }, 900_000);

  it(`lose no acknowledged event when postgres is killed ${SERVER_KILLS} times, and store none twice`, async () => {
    await repeat(SERVER_KILLS, "servers", () =>
      live("servers", async (child) => {
        await server.kill();
        await server.startAgain();
        // The appends that the crash has interrupted are tried again, and acknowledged now.
        const before = child.acknowledged.length;
        await expect
          .poll(() => child.acknowledged.length, { interval: 5, timeout: 20_000 })
          .toBeGreaterThan(before + 5);
      }),
    );
  }, 900_000);

  it("give two processes that append to one stream at once positions of their own, without holes", async () => {
    const schema = "together";
    await migratePostgresLog(pool, { schema });
    const work = { streams: 1, inFlight: 16, appends: 300 };
    const [one, other] = await Promise.all(
      [1, 2].map(() => AppendingProcess.start("./postgres-process.mjs", [server.url, schema], work)),
    );
    one!.go();
    other!.go();
    await Promise.all([one!.ended(), other!.ended()]);
    const told = [...one!.acknowledged, ...other!.acknowledged].sort((a, b) => a.seq - b.seq);
    expect(told.map(({ seq }) => seq)).toEqual(Array.from({ length: 600 }, (_, index) => index + 1));
    await assertNothingLost(pool, schema, told);
  });
});
