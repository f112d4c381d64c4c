// Tests what the Redis log does on a server that has lost its newest events in a crash.

import { afterEach, expect, it } from "vitest";
import { RedisServer } from "../../../test-support/redis-server.js";
import { redisLog, type RedisLogOptions } from "../src/logs/redis/redis-log.js";
import { describeRedis } from "./support/describe-redis.js";
import { openNodeRedis } from "./support/redis-clients.js";

const KEEP = { maxEvents: 100, maxBytes: 100_000, ttlMs: 3_600_000, headTtlMs: 86_400_000 };

const endings: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

async function started(): Promise<RedisServer> {
  const server = await RedisServer.start();
  endings.push(() => server.stop());
  return server;
}

async function opened(server: RedisServer, options: RedisLogOptions = {}) {
  const { client, close } = await openNodeRedis(server);
  endings.push(close);
  const log = redisLog(client, options);
  endings.push(() => log.close());
  return log;
}

/** Saves now, lets `run` write more, and has the server forget that by a crash. */
async function losing(server: RedisServer, run: () => Promise<unknown>): Promise<void> {
  await server.command("SAVE");
  await run();
  await server.kill();
  await server.startAgain();
}

describeRedis("redisLog on a server that has lost its newest events in a crash", () => {
  it("never gives the number of a lost event to another one, and tells who missed something", async () => {
    const server = await started();
    const log = await opened(server);
    const { epoch } = await log.append("stream", "event 1", KEEP);
    for (let event = 2; event <= 10; event += 1) await log.append("stream", `event ${event}`, KEEP);
    await losing(server, async () => {
      for (let event = 11; event <= 15; event += 1) await log.append("stream", `event ${event}`, KEEP);
    });
    expect((await log.read("stream", 0, 1))?.head.seq).toBe(10);
    expect(await log.append("stream", "event 16", KEEP)).toEqual({ epoch, seq: 16 });
    expect(await log.append("stream", "event 17", KEEP)).toEqual({ epoch, seq: 17 });
    const entries = [
      { seq: 16, payload: "event 16" },
      { seq: 17, payload: "event 17" },
    ];
    // Who has read all that there was goes on as if nothing had happened; who has not finds the gap by the floor.
    for (const after of [15, 12, 3]) {
      const page = { entries, head: { epoch, seq: 17 }, floor: 16, ended: false };
      expect(await log.read("stream", after, 10)).toEqual(page);
    }
  });

  it("begins anew when others have written meanwhile, who could not know", async () => {
    const server = await started();
    const log = await opened(server);
    const before = await log.append("stream", "event 1", KEEP);
    await losing(server, async () => {
      for (let event = 2; event <= 6; event += 1) await log.append("stream", `event ${event}`, KEEP);
    });
    const other = await opened(server);
    for (let event = 2; event <= 9; event += 1) await other.append("stream", `other ${event}`, KEEP);
    const after = await log.append("stream", "event 7", KEEP);
    expect(after.epoch).not.toBe(before.epoch);
    expect((await log.read("stream", 0, 10))?.entries).toEqual([{ seq: 1, payload: "event 7" }]);
    expect(await other.append("stream", "other 10", KEEP)).toEqual({ epoch: after.epoch, seq: 2 });
    expect(await log.append("stream", "event 8", KEEP)).toEqual({ epoch: after.epoch, seq: 3 });
  });

  it("begins anew when the whole stream was lost", async () => {
    const server = await started();
    const log = await opened(server);
    let lost = "";
    await losing(server, async () => {
      lost = (await log.append("stream", "event 1", KEEP)).epoch;
      await log.append("stream", "event 2", KEEP);
    });
    expect(await log.read("stream", 0, 10)).toBeUndefined();
    const { epoch, seq } = await log.append("stream", "event", KEEP);
    expect(seq).toBe(1);
    expect(epoch).not.toBe(lost);
  });

  it("takes nothing for lost that others have trimmed, deleted or overtaken", async () => {
    const server = await started();
    const logs = await Promise.all([opened(server), opened(server), opened(server)]);
    const epochs = new Set<string>();
    let last = 0;
    for (let round = 0; round < 120; round += 1) {
      const { epoch, seq } = await logs[round % 3]!.append("stream", `event ${round}`, {
        ...KEEP,
        maxEvents: 2,
      });
      epochs.add(epoch);
      expect(seq).toBe(last + 1);
      last = seq;
      if (round % 40 === 39) {
        await logs[(round + 1) % 3]!.delete("stream");
        last = 0;
      }
    }
    expect(epochs.size).toBe(3);
  });

  it("takes nothing for lost when more writers come together than a stream remembers", async () => {
    const server = await started();
    const { client, close } = await openNodeRedis(server);
    endings.push(close);
    const logs = Array.from({ length: 70 }, () => redisLog(client));
    const epochs = new Set<string>();
    for (let round = 0; round < 3; round += 1) {
      for (const log of logs) epochs.add((await log.append("stream", "event", KEEP)).epoch);
    }
    expect(epochs.size).toBe(1);
    expect((await logs[0]!.read("stream", 0, 1))?.head.seq).toBe(210);
    for (const log of logs) await log.close();
  });
});
