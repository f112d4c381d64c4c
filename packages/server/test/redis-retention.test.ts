// Tests what the Redis log leaves on the server.

import { afterAll, beforeAll, expect, it } from "vitest";
import { RedisServer } from "../../../test-support/redis-server.js";
import type { EventLog } from "../src/log/event-log.js";
import { redisLog } from "../src/logs/redis/redis-log.js";
import { describeRedis } from "./support/describe-redis.js";
import { openIoredis, type OpenClient } from "./support/redis-clients.js";

const KEEP = { maxEvents: null, maxBytes: null, ttlMs: null, headTtlMs: null };

/** What retention leaves on the server: the suite has looked at what reads return. */
describeRedis("what redisLog leaves on the server", () => {
  let server: RedisServer;
  let open: OpenClient;
  let log: EventLog;

  beforeAll(async () => {
    server = await RedisServer.start();
    open = await openIoredis(server);
    log = redisLog(open.client, { prefix: "" });
  });
  afterAll(async () => {
    await log.close();
    await open.close();
    await server.stop();
  });

  const number = async (...command: [string, ...string[]]) => Number(await server.command(...command));
  const stored = (stream: string) => number("XLEN", `{${stream}}:events`);
  const remainingMs = (stream: string, what: string) => number("PTTL", `{${stream}}:${what}`);

  it("returns no event that is older than the limit on the server's own clock", async () => {
    const retention = { ...KEEP, ttlMs: 400, headTtlMs: 60_000 };
    const head = await log.append("aging", "event", retention);
    expect((await log.read("aging", 0, 10))?.entries).toHaveLength(1);
    const emptied = async () => (await log.read("aging", 0, 10))?.entries.length;
    await expect.poll(emptied, { timeout: 10_000, interval: 20 }).toBe(0);
    expect(await log.read("aging", 0, 10)).toEqual({ entries: [], head, floor: 2, ended: false });
  });

  it("keeps little more than the count allows", async () => {
    for (let event = 0; event < 1000; event += 1) {
      await log.append("counted", "x".repeat(200), { ...KEEP, maxEvents: 50 });
    }
    // Whole nodes of at most 100 entries are cut off.
    expect(await stored("counted")).toBeLessThan(50 + 100);
    expect((await log.read("counted", 0, 1000))?.entries).toHaveLength(50);
  });

  it("keeps no more payload than the bytes allow", async () => {
    for (let event = 0; event < 100; event += 1) {
      await log.append("weighed", "x".repeat(1000), { ...KEEP, maxBytes: 10_000 });
    }
    expect(await stored("weighed")).toBe(10);
  });

  it("removes what is too old while the stream goes on", async () => {
    const retention = { ...KEEP, ttlMs: 100, headTtlMs: 60_000 };
    for (let event = 0; event < 300; event += 1) await log.append("moving", "event", retention);
    const appended = async () => {
      await log.append("moving", "event", retention);
      return stored("moving");
    };
    await expect.poll(appended, { timeout: 10_000, interval: 30 }).toBeLessThan(100);
  });

  it("gives its keys an end, not much after that of what they hold", async () => {
    await log.append("ending", "event", { ...KEEP, ttlMs: 100_000, headTtlMs: 1_000_000 });
    expect(await remainingMs("ending", "events")).toBeGreaterThan(90_000);
    expect(await remainingMs("ending", "events")).toBeLessThanOrEqual(112_500);
    expect(await remainingMs("ending", "state")).toBeGreaterThan(990_000);
    expect(await remainingMs("ending", "state")).toBeLessThanOrEqual(1_012_500);
    await log.end("ending");
    expect(await remainingMs("ending", "state")).toBeLessThanOrEqual(101_000);
    expect(await remainingMs("ending", "events")).toBeLessThanOrEqual(101_000);
  });

  it("gives its keys no end when nothing in them has one, also when that changes", async () => {
    await log.append("lasting", "event", { ...KEEP, ttlMs: 100_000, headTtlMs: 100_000 });
    expect(await remainingMs("lasting", "state")).toBeGreaterThan(0);
    await log.append("lasting", "event", KEEP);
    expect([await remainingMs("lasting", "state"), await remainingMs("lasting", "events")]).toEqual([-1, -1]);
    await log.append("lasting", "event", { ...KEEP, ttlMs: 100_000, headTtlMs: null });
    expect(await remainingMs("lasting", "state")).toBe(-1);
    expect(await remainingMs("lasting", "events")).toBeGreaterThan(0);
  });

  it("leaves nothing when a stream is over", async () => {
    await log.append("over", "event", { ...KEEP, ttlMs: 50, headTtlMs: 50 });
    await log.end("over");
    await log.append("deleted", "event", KEEP);
    await log.delete("deleted");
    const left = async () =>
      number("EXISTS", "{over}:state", "{over}:events", "{deleted}:state", "{deleted}:events");
    await expect.poll(left, { timeout: 10_000 }).toBe(0);
  });

  it("tells a gap when the server has evicted the events and kept the rest", async () => {
    for (let event = 1; event <= 5; event += 1) await log.append("evicted", `event ${event}`, KEEP);
    await server.command("DEL", "{evicted}:events");
    expect(await log.read("evicted", 2, 10)).toMatchObject({ entries: [], floor: 6 });
    expect((await log.append("evicted", "event 6", KEEP)).seq).toBe(6);
    expect(await log.read("evicted", 2, 10)).toMatchObject({
      entries: [{ seq: 6, payload: "event 6" }],
      floor: 6,
    });
  });

  it("begins anew when the server has evicted the state and kept the events", async () => {
    const before = await log.append("stateless", "old", KEEP);
    await log.append("stateless", "old", KEEP);
    await server.command("DEL", "{stateless}:state");
    expect(await log.read("stateless", 0, 10)).toBeUndefined();
    const after = await log.append("stateless", "new", KEEP);
    expect(after.epoch).not.toBe(before.epoch);
    expect((await log.read("stateless", 0, 10))?.entries).toEqual([{ seq: 1, payload: "new" }]);
  });

  it("ends a page early when its payloads are large, and loses none of them", async () => {
    const large = "x".repeat(3 * 1024 * 1024);
    for (let event = 1; event <= 8; event += 1) await log.append("large", `${event}${large}`, KEEP);
    const seen: string[] = [];
    let pages = 0;
    while (seen.length < 8) {
      const page = await log.read("large", seen.length, 100);
      pages += 1;
      expect(page?.head.seq).toBe(8);
      seen.push(...(page?.entries ?? []).map(({ payload }) => payload.slice(0, 1)));
      expect(pages).toBeLessThanOrEqual(8);
    }
    expect(seen).toEqual(["1", "2", "3", "4", "5", "6", "7", "8"]);
    expect(pages).toBeGreaterThan(1);
  });
});
