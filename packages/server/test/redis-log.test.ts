// Holds the Redis log to the suite that every log must pass.

import { eventLogModelTest, eventLogSuite } from "@resumable-mcp/testing/event-log-suite";
import { afterAll, beforeAll, describe, it } from "vitest";
import { RedisCluster, RedisServer } from "../../../test-support/redis-server.js";
import { repetitions } from "../../../test-support/repetitions.js";
import type { EventLog } from "../src/log/event-log.js";
import { redisLog, type RedisLogOptions } from "../src/logs/redis/redis-log.js";
import {
  openIoredis,
  openIoredisCluster,
  openNodeRedis,
  openNodeRedisCluster,
  type OpenClient,
} from "./support/redis-clients.js";
import { describeRedis } from "./support/describe-redis.js";
import { withClock } from "./support/redis-clock.js";

const MINUTE_MS = 60_000;

interface Fixture {
  readonly log: EventLog;
  readonly clock: { ms: number };
  readonly prefix: string;
  dispose(): Promise<void>;
}

/** The whole suite and the model, over one kind of client. */
function hold(
  name: string,
  start: () => Promise<{ open: OpenClient; flush(): Promise<void>; stop(): Promise<void> }>,
): void {
  describeRedis(name, () => {
    let running: Awaited<ReturnType<typeof start>>;
    let fixtures = 0;
    beforeAll(async () => {
      running = await start();
    });
    afterAll(async () => {
      await running.open.close();
      await running.stop();
    });

    const another = ({ clock, prefix }: Pick<Fixture, "clock" | "prefix">, options: RedisLogOptions = {}) =>
      redisLog(withClock(running.open.client, clock), { ...options, prefix });
    const create = (): Fixture => {
      const clock = { ms: 1_000_000_000_000 };
      const prefix = `test-${(fixtures += 1)}:`;
      const log = another({ clock, prefix });
      return { log, clock, prefix, dispose: () => log.close() };
    };
    const capabilities = {
      time: {
        unitMs: MINUTE_MS,
        elapse: async ({ clock }: Fixture, ms: number) => {
          clock.ms += ms;
        },
      },
      reopen: (fixture: Fixture) => another(fixture),
      another: (fixture: Fixture) => another(fixture),
      bounded: (fixture: Fixture, maxPendingBytes: number) => another(fixture, { maxPendingBytes }),
      flush: () => running.flush(),
    };
    eventLogSuite<Fixture>({ describe, it }, { name: `redisLog over ${name}`, create, capabilities });
    eventLogModelTest<Fixture>(
      { describe, it: (title, body) => it(title, body, 600_000) },
      { name: `redisLog over ${name}`, create, capabilities, runs: repetitions({ full: 1000, scaled: 6 }) },
    );
  });
}

async function oneServer(open: (server: RedisServer) => Promise<OpenClient>) {
  const server = await RedisServer.start();
  const flush = async (): Promise<void> => {
    await server.command("FLUSHALL");
  };
  return { open: await open(server), flush, stop: () => server.stop() };
}

async function threeServers(open: (cluster: RedisCluster) => Promise<OpenClient>) {
  const cluster = await RedisCluster.start();
  const flush = async () => {
    for (const node of cluster.nodes) await node.command("FLUSHALL");
  };
  return { open: await open(cluster), flush, stop: () => cluster.stop() };
}

hold("ioredis", () => oneServer(openIoredis));
hold("node-redis", () => oneServer(openNodeRedis));
hold("ioredis on a cluster of three", () => threeServers(openIoredisCluster));
hold("node-redis on a cluster of three", () => threeServers(openNodeRedisCluster));
