// Tests the Redis log on a cluster, and over a client that does not know of one.

import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { RedisCluster, RedisServer } from "../../../test-support/redis-server.js";
import { MAX_STREAM_NAME_BYTES } from "../src/log/event-log.js";
import { redisLog } from "../src/logs/redis/redis-log.js";
import { describeRedis } from "./support/describe-redis.js";
import { follow } from "./support/follower.js";
import { commandsDuring } from "./support/redis-commands.js";
import {
  openIoredis,
  openIoredisCluster,
  openNodeRedis,
  openNodeRedisCluster,
  type OpenClient,
} from "./support/redis-clients.js";

const RETENTION = { maxEvents: 100, maxBytes: 1_000_000, ttlMs: 3_600_000, headTtlMs: 86_400_000 };
const ODD_NAMES = [
  "",
  "stream",
  "a:b",
  "{",
  "}",
  "{}",
  "a{b}c",
  "}{",
  "{{a}}",
  "%",
  "%007b",
  "漢字",
  "😀",
  "\ud800",
  "\udc00",
];
const KINDS = [
  ["ioredis", openIoredisCluster],
  ["node-redis", openNodeRedisCluster],
] as const;

describeRedis("redisLog on a cluster", () => {
  let cluster: RedisCluster;
  const first = (): RedisServer => cluster.nodes[0]!;
  let open: OpenClient[] = [];
  const opened = async (openClient: (cluster: RedisCluster) => Promise<OpenClient>) => {
    const client = await openClient(cluster);
    open.push(client);
    return client.client;
  };

  beforeAll(async () => {
    cluster = await RedisCluster.start();
    return async () => {
      await Promise.all(open.map(({ close }) => close()));
      open = [];
      await cluster.stop();
    };
  });

  it("keeps all keys of a stream in one slot, whatever the stream's name", async () => {
    const log = redisLog(await opened(openIoredisCluster), { prefix: "slots:" });
    const slotsOf = new Map<string, number[]>();
    const seen = new Set<string>();
    for (const stream of [...ODD_NAMES, "x".repeat(MAX_STREAM_NAME_BYTES)]) {
      await log.append(stream, "event", RETENTION);
      const own = (await keys(cluster)).filter((key) => !seen.has(key));
      expect(own, JSON.stringify(stream.slice(0, 20))).toHaveLength(2);
      for (const key of own) seen.add(key);
      const slots = own.map(async (key) => Number(await first().command("CLUSTER", "KEYSLOT", key)));
      slotsOf.set(stream, await Promise.all(slots));
    }
    for (const [stream, [one, other]] of slotsOf)
      expect(one, JSON.stringify(stream.slice(0, 20))).toBe(other);
    // The slot is that of the name, and not of something that all streams share.
    expect(new Set([...slotsOf.values()].flat()).size).toBeGreaterThan(ODD_NAMES.length / 2);
    await log.close();
  });

  for (const [kind, openClient] of KINDS) {
    it(`makes one call for each append and page, to the server that has the stream, over ${kind}`, async () => {
      const log = redisLog(await opened(openClient), { prefix: `${kind}-calls:` });
      const streams = Array.from({ length: 30 }, (_, stream) => `stream ${stream}`);
      // Each server learns the scripts first.
      for (const stream of streams) await log.append(stream, "event", RETENTION);
      for (const stream of streams) await log.read(stream, 0, 10);
      const commands = await commandsDuring(cluster.nodes, async () => {
        for (const stream of streams) await log.append(stream, "event", RETENTION);
        for (const stream of streams) await log.read(stream, 0, 10);
      });
      expect(commands.flat()).toEqual(Array.from({ length: 60 }, () => "evalsha"));
      for (const names of commands) expect(names.length).toBeGreaterThan(0);
      await log.close();
    });

    it(`wakes the followers of any server's streams over one connection, which may be lost, over ${kind}`, async () => {
      const client = await opened(openClient);
      const streams = Array.from({ length: 60 }, (_, stream) => `stream ${stream}`);
      const prefix = `${kind}-wakes:`;
      const log = redisLog(client, { prefix });
      const other = redisLog(client, { prefix });
      const followers = streams.map((stream) => follow(log, stream));
      const channels = async () => {
        const counts = cluster.nodes.map(async (node) => node.command("PUBSUB", "CHANNELS", `${prefix}*`));
        return (await Promise.all(counts))
          .map((found) => (Array.isArray(found) ? found.length : -1))
          .sort((a, b) => a - b);
      };
      for (let round = 1; round <= 4; round += 1) {
        await expect.poll(channels).toEqual([0, 0, 60]);
        await Promise.all(streams.map((stream) => other.append(stream, "event", RETENTION)));
        await expect.poll(() => followers.every(({ seen }) => seen.length === round)).toBe(true);
        for (const node of cluster.nodes) await node.command("CLIENT", "KILL", "TYPE", "pubsub");
      }
      await log.close();
      await other.close();
    });
  }

  it("fails in time for the streams of a dead server, goes on with the others, and with all when it is back", async () => {
    for (const [kind, openClient] of KINDS) {
      const log = redisLog(await opened(openClient), { prefix: `${kind}-dead:`, timeoutMs: 1500 });
      const streams = Array.from({ length: 30 }, (_, stream) => `stream ${stream}`);
      const append = () =>
        Promise.allSettled(streams.map((stream) => log.append(stream, "event", RETENTION)));
      expect((await append()).every(({ status }) => status === "fulfilled")).toBe(true);
      for (const node of cluster.nodes) {
        await node.command("CONFIG", "SET", "cluster-require-full-coverage", "no");
      }
      await cluster.nodes[2]!.kill();
      const results = await append();
      const failed = results.filter((result) => result.status === "rejected");
      expect(failed.length, kind).toBeGreaterThan(0);
      expect(failed.length, kind).toBeLessThan(streams.length);
      for (const { reason } of failed)
        expect(["backend", "timeout"]).toContain((reason as { code: string }).code);
      await cluster.nodes[2]!.startAgain();
      await expect
        .poll(async () => (await append()).filter(({ status }) => status === "rejected").length, {
          timeout: 30_000,
        })
        .toBe(0);
      await log.close();
    }
  });
});

describeRedis("redisLog over a client that does not know that the server is a cluster", () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await RedisServer.start({ isClusterNode: true });
    await server.command("CLUSTER", "ADDSLOTSRANGE", "0", "16383");
    await vi.waitFor(async () => {
      expect(String(await server.command("CLUSTER", "INFO"))).toContain("cluster_state:ok");
    }, 20_000);
  });
  afterAll(() => server.stop());

  for (const [kind, openClient] of [
    ["ioredis", openIoredis],
    ["node-redis", openNodeRedis],
  ] as const) {
    it(`takes streams of different slots to it one by one, over ${kind}`, async () => {
      const { client, close } = await openClient(server);
      const log = redisLog(client, { prefix: `${kind}:` });
      for (let round = 1; round <= 3; round += 1) {
        const appends = Array.from({ length: 20 }, (_, stream) =>
          log.append(`stream ${stream}`, "event", RETENTION),
        );
        for (const { seq } of await Promise.all(appends)) expect(seq).toBe(round);
      }
      await log.close();
      await close();
    });
  }
});

async function keys(cluster: RedisCluster): Promise<string[]> {
  const replies = await Promise.all(cluster.nodes.map((node) => node.command("KEYS", "*")));
  return replies.flatMap((reply) => (Array.isArray(reply) ? reply.map(String) : []));
}
