// Tests what calls of the Redis log cost, and what the log asks of a client and its options.

import type { Redis } from "ioredis";
import { createClient } from "redis";
import { afterAll, beforeAll, expect, it } from "vitest";
import { RedisServer } from "../../../test-support/redis-server.js";
import { redisLog, type RedisLogOptions } from "../src/logs/redis/redis-log.js";
import { describeRedis } from "./support/describe-redis.js";
import { commandsDuring } from "./support/redis-commands.js";
import { openIoredis, openNodeRedis, type OpenClient } from "./support/redis-clients.js";

const RETENTION = { maxEvents: 100, maxBytes: 1_000_000, ttlMs: 3_600_000, headTtlMs: 86_400_000 };

describeRedis("redisLog on one server", () => {
  let server: RedisServer;
  let ioredis: OpenClient;
  let nodeRedis: OpenClient;
  let prefixes = 0;
  const opened = (options: RedisLogOptions = {}) =>
    redisLog(ioredis.client, { prefix: `calls-${(prefixes += 1)}:`, ...options });

  beforeAll(async () => {
    server = await RedisServer.start();
    ioredis = await openIoredis(server);
    nodeRedis = await openNodeRedis(server);
  });
  afterAll(async () => {
    await ioredis.close();
    await nodeRedis.close();
    await server.stop();
  });

  for (const kind of ["ioredis", "node-redis"] as const) {
    it(`makes one call for each append, and one for each page, over ${kind}`, async () => {
      const log = redisLog((kind === "ioredis" ? ioredis : nodeRedis).client, { prefix: `${kind}:` });
      await log.append("stream", "the first call finds out what the server can do", RETENTION);
      const [appending] = await commandsDuring([server], async () => {
        for (let event = 0; event < 150; event += 1) await log.append("stream", `event ${event}`, RETENTION);
        await log.append("another stream", "event", RETENTION);
        await log.append("stream", "event", { ...RETENTION, maxEvents: 50, ttlMs: null });
      });
      expect(appending).toEqual(Array.from({ length: 152 }, () => "evalsha"));
      await log.read("stream", 0, 1);
      const [reading] = await commandsDuring([server], async () => {
        for (let after = 0; after < 150; after += 7) await log.read("stream", after, 90);
      });
      expect(reading).toEqual(Array.from({ length: 22 }, () => "evalsha"));
      await log.close();
    });
  }

  it("takes many appends at once to the server in few calls", async () => {
    const log = opened();
    await log.append("stream", "first", RETENTION);
    const [commands] = await commandsDuring([server], async () => {
      const streams = Array.from({ length: 640 }, (_, event) =>
        event < 320 ? "stream" : `stream ${event % 10}`,
      );
      await Promise.all(streams.map((stream) => log.append(stream, "event", RETENTION)));
    });
    expect(commands?.length).toBeLessThanOrEqual(8);
    expect((await log.read("stream", 0, 1))?.head.seq).toBe(321);
    expect((await log.read("stream 3", 0, 1))?.head.seq).toBe(32);
    await log.close();
  });

  it("works with a client that puts a prefix of its own before every key", async () => {
    const { client, close } = await openIoredis(server, { keyPrefix: "app:" });
    const log = redisLog(client, { prefix: "own:" });
    const other = redisLog(client, { prefix: "own:" });
    let wakes = 0;
    log.subscribe("stream", () => (wakes += 1));
    await expect.poll(() => subscribers(server, "app:own:{stream}:state")).toBe(1);
    await expect.poll(() => wakes).toBeGreaterThan(0);
    const before = wakes;
    await other.append("stream", "event", RETENTION);
    await expect.poll(() => wakes).toBeGreaterThan(before);
    expect(await keys(server)).toContain("app:own:{stream}:events");
    expect((await log.read("stream", 0, 10))?.entries).toEqual([{ seq: 1, payload: "event" }]);
    await log.close();
    await other.close();
    await close();
  });

  it("works with node-redis in RESP 3, and with replies mapped to buffers", async () => {
    const { client, close } = await openNodeRedis(server, {
      RESP: 3,
      commandOptions: { typeMapping: { 36: Buffer } },
    });
    const log = redisLog(client, { prefix: "resp3:" });
    const head = await log.append("stream", "é漢😀", RETENTION);
    expect(await log.append("stream", "event 2", RETENTION)).toEqual({ epoch: head.epoch, seq: 2 });
    expect((await log.read("stream", 0, 10))?.entries[0]).toEqual({ seq: 1, payload: "é漢😀" });
    expect(await log.read("other", 0, 10)).toBeUndefined();
    await log.close();
    await close();
  });

  it("tells the server its scripts again when it has forgotten them", async () => {
    const log = opened();
    await log.append("stream", "event 1", RETENTION);
    await server.command("SCRIPT", "FLUSH");
    const [commands] = await commandsDuring([server], async () => {
      expect((await log.append("stream", "event 2", RETENTION)).seq).toBe(2);
      expect((await log.append("stream", "event 3", RETENTION)).seq).toBe(3);
    });
    expect(commands).toEqual(["evalsha", "eval", "evalsha"]);
    await server.command("SCRIPT", "FLUSH");
    expect((await log.read("stream", 0, 10))?.entries).toHaveLength(3);
    await server.command("SCRIPT", "FLUSH");
    const burst = Array.from({ length: 50 }, (_, event) =>
      log.append(`s${event % 5}`, `${event}`, RETENTION),
    );
    expect((await Promise.all(burst)).map(({ seq }) => seq)).toEqual(
      burst.map((_, event) => 1 + Math.floor(event / 5)),
    );
    await log.close();
  });

  it("leaves the client open, and closes the connection that it opened", async () => {
    const name = () => connections(server);
    const before = await name();
    const log = opened();
    for (let stream = 0; stream < 1000; stream += 1) log.subscribe(`stream ${stream}`, () => undefined);
    await expect.poll(() => subscribers(server, "calls-*")).toBe(1000);
    expect(await name()).toBe(before + 1);
    await log.close();
    await expect.poll(name).toBe(before);
    expect(await (ioredis.client as Redis).ping()).toBe("PONG");
  });

  it("refuses a client that is closed, was never connected, or is something else", async () => {
    const closed = await openIoredis(server);
    await closed.close();
    await expect.poll(() => (closed.client as Redis).status).toBe("end");
    for (const client of [closed.client, createClient({ url: server.url })]) {
      expect(() => redisLog(client)).toThrow(expect.objectContaining({ code: "invalid-option" }));
    }
    for (const client of [undefined, null, {}, "redis://127.0.0.1", { call: () => undefined }, new Map()]) {
      const make = () => redisLog(client as unknown as Redis);
      expect(make).toThrow(expect.objectContaining({ code: "invalid-option" }));
      expect(make).toThrow(/^client must be/);
    }
  });

  it("refuses options that make no sense, and says which and what is allowed", () => {
    const bad: [string, RedisLogOptions][] = [
      ["prefix", { prefix: "a{b}:" }],
      ["prefix", { prefix: 1 as unknown as string }],
      ["timeoutMs", { timeoutMs: 0 }],
      ["timeoutMs", { timeoutMs: 2 ** 31 }],
      ["heartbeatMs", { heartbeatMs: 0.5 }],
      ["maxPayloadBytes", { maxPayloadBytes: -1 }],
      ["maxPendingBytes", { maxPendingBytes: Number.NaN }],
      ["maxOpenStreams", { maxOpenStreams: 0 }],
      ["onError", { onError: "log" as unknown as () => void }],
    ];
    for (const [option, options] of bad) {
      expect(() => opened(options)).toThrow(expect.objectContaining({ code: "invalid-option" }));
      expect(() => opened(options)).toThrow(new RegExp(`^${option} must be`));
    }
  });

  it("takes no more than may wait, and stores nothing of what it refuses", async () => {
    const log = opened({ maxPendingBytes: 10_000 });
    const appends = Array.from({ length: 30 }, () => log.append("stream", "x".repeat(500), RETENTION));
    const results = await Promise.allSettled(appends);
    const refused = results.filter((result) => result.status === "rejected");
    expect(refused.length).toBe(20);
    for (const { reason } of refused)
      expect(reason).toMatchObject({ code: "overloaded", mayHaveHappened: false });
    expect((await log.append("stream", "x".repeat(20_000), RETENTION)).seq).toBe(11);
    await log.close();
  });

  it("forgets the state of the streams not appended to for longest, and goes on with them all the same", async () => {
    const log = opened({ maxOpenStreams: 3 });
    for (let round = 1; round <= 3; round += 1) {
      for (let stream = 0; stream < 10; stream += 1) {
        expect((await log.append(`stream ${stream}`, "event", RETENTION)).seq).toBe(round);
      }
    }
    await log.close();
  });
});

async function keys(server: RedisServer): Promise<string[]> {
  const reply = await server.command("KEYS", "*");
  return Array.isArray(reply) ? reply.map(String) : [];
}

async function subscribers(server: RedisServer, pattern: string): Promise<number> {
  const reply = await server.command("PUBSUB", "CHANNELS", pattern);
  return Array.isArray(reply) ? reply.length : Number.NaN;
}

/** How many connections there are, but for the one that asks. */
async function connections(server: RedisServer): Promise<number> {
  return (
    String(await server.command("CLIENT", "LIST"))
      .trim()
      .split("\n").length - 1
  );
}
