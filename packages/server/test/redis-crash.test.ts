// Kills processes that append to a Redis log, and the server, and looks for what was acknowledged.

import { beforeAll, expect, it } from "vitest";
import { RedisServer } from "../../../test-support/redis-server.js";
import { repetitions } from "../../../test-support/repetitions.js";
import type { EventLog } from "../src/log/event-log.js";
import { redisLog } from "../src/logs/redis/redis-log.js";
import { describeRedis } from "./support/describe-redis.js";
import { seededRandom } from "../../testing/src/random.js";
import { openIoredis, type OpenClient } from "./support/redis-clients.js";
import { type Acknowledged, AppendingProcess } from "./support/appending-process.js";

const STREAMS = 3;
const KEEP = { maxEvents: null, maxBytes: null, ttlMs: null, headTtlMs: null };
const CLIENTS = ["ioredis", "node-redis"] as const;
const PROCESS_KILLS = repetitions({ full: 200, scaled: 3 });
const SERVER_KILLS = repetitions({ full: 50, scaled: 2 });
const MAX_EVENTS_BEFORE_KILL = 80;

const streamNames = Array.from({ length: STREAMS }, (_, number) => `stream ${number}`);

/** Every acknowledged event is there, once, at its place; and the log goes on. */
async function assertNothingLost(log: EventLog, told: readonly Acknowledged[]): Promise<void> {
  for (const stream of streamNames) {
    const page = await log.read(stream, 0, 1_000_000);
    const entries = [...(page?.entries ?? [])];
    // A page may end early; the next one goes on.
    while (page !== undefined && entries.length < page.head.seq) {
      const next = (await log.read(stream, entries.length, 1_000_000))?.entries ?? [];
      expect(next.length).toBeGreaterThan(0);
      entries.push(...next);
    }
    expect(entries.map(({ seq }) => seq)).toEqual(entries.map((_, index) => index + 1));
    const payloads = entries.map(({ payload }) => payload);
    expect(new Set(payloads).size, "an event was stored twice").toBe(payloads.length);
    for (const event of told) {
      if (event.stream !== stream) continue;
      expect([page?.head.epoch, payloads[event.seq - 1]], `${stream} ${event.seq}`).toEqual([
        event.epoch,
        event.payload,
      ]);
    }
    assertOrdered(payloads);
    const { seq } = await log.append(stream, `on it goes from ${entries.length}`, KEEP);
    expect(seq).toBe(entries.length + 1);
  }
}

/** Each worker numbers its payloads downwards. */
function assertOrdered(payloads: readonly string[]): void {
  const lastOf = new Map<string, number>();
  for (const payload of payloads) {
    const [, worker, left] = /^(\d+\/\d+)\/(\d+)$/.exec(payload) ?? [];
    if (worker === undefined) continue;
    expect(Number(left), `order of worker ${worker}`).toBeLessThan(lastOf.get(worker) ?? Infinity);
    lastOf.set(worker, Number(left));
  }
}

for (const client of CLIENTS) {
  describeRedis(`redisLog over ${client} and crashes`, () => {
    const seed = Date.now();
    const random = seededRandom(seed);
    let server: RedisServer;
    let reader: OpenClient;
    let log: EventLog;

    beforeAll(async () => {
      server = await RedisServer.start({ isDurable: true });
      reader = await openIoredis(server);
      log = redisLog(reader.client, { timeoutMs: 20_000 });
      return async () => {
        await log.close();
        await reader.close();
        await server.stop();
      };
    });

    const startWork = (appends: number) =>
      AppendingProcess.start("./redis-process.mjs", [client, String(server.port)], {
        streams: STREAMS,
        inFlight: 1 + Math.floor(random() * 12),
        appends,
      });

    it(`gives two processes on the same streams positions of their own, without holes`, async () => {
      const processes = await Promise.all([startWork(400), startWork(400)]);
      for (const each of processes) each.go();
      await Promise.all(processes.map((each) => each.ended()));
      const told = processes.flatMap(({ acknowledged }) => acknowledged);
      expect(told).toHaveLength(800);
      expect(new Set(told.map(({ stream, seq }) => `${stream}/${seq}`)).size).toBe(800);
      await assertNothingLost(log, told);
    });

    it(`loses no acknowledged event of ${PROCESS_KILLS} processes killed at random instants`, async () => {
      const told: Acknowledged[] = [];
      for (let life = 1; life <= PROCESS_KILLS; life += 1) {
        const child = await startWork(1_000_000);
        const wanted = Math.floor(random() * MAX_EVENTS_BEFORE_KILL);
        child.go();
        await expect
          .poll(() => child.acknowledged.length, { interval: 1, timeout: 20_000 })
          .toBeGreaterThan(wanted);
        await child.kill();
        told.push(...child.acknowledged);
        if (life % 10 !== 0 && life !== PROCESS_KILLS) continue;
        await assertNothingLost(log, told).catch((cause: unknown) => {
          throw new Error(`After life ${life} of seed ${seed}`, { cause });
        });
      }
      expect(told.length).toBeGreaterThanOrEqual(PROCESS_KILLS);
    }, 900_000);

    it(`loses no acknowledged event when the server is killed ${SERVER_KILLS} times`, async () => {
      const child = await startWork(1_000_000);
      child.go();
      try {
        for (let life = 1; life <= SERVER_KILLS; life += 1) {
          const before = child.acknowledged.length;
          const wanted = before + 1 + Math.floor(random() * MAX_EVENTS_BEFORE_KILL);
          await expect
            .poll(() => child.acknowledged.length, { interval: 1, timeout: 30_000 })
            .toBeGreaterThan(wanted);
          await server.kill();
          await server.startAgain();
        }
        const before = child.acknowledged.length;
        await expect.poll(() => child.acknowledged.length, { timeout: 30_000 }).toBeGreaterThan(before);
      } finally {
        await child.kill();
      }
      await assertNothingLost(log, child.acknowledged).catch((cause: unknown) => {
        throw new Error(`Seed ${seed}`, { cause });
      });
    }, 900_000);
  });
}
