// Tests that the followers of a Redis log are woken, whatever happens to the connection for wake-ups.

import { expect, it } from "vitest";
import type { RedisServer } from "../../../test-support/redis-server.js";
import { describeRedis } from "./support/describe-redis.js";
import { follow } from "./support/follower.js";
import { openIoredis, openNodeRedis } from "./support/redis-clients.js";
import { behindProxy, KEEP, KINDS, opened, started } from "./support/redis-fixtures.js";
import { commandsDuring } from "./support/redis-commands.js";

/** How many channels are subscribed to. */
async function channels(server: RedisServer): Promise<number> {
  const reply = await server.command("PUBSUB", "CHANNELS", "*");
  return Array.isArray(reply) ? reply.length : Number.NaN;
}

async function subscriberConnections(server: RedisServer): Promise<number> {
  return String(await server.command("CLIENT", "LIST", "TYPE", "pubsub"))
    .split("\n")
    .filter(Boolean).length;
}

const numbered = (count: number, what = "event") =>
  Array.from({ length: count }, (_, index) => `${what} ${index + 1}`);

describeRedis("wake-ups of redisLog", () => {
  for (const [kind, open] of KINDS) {
    it(`come from other logs over one connection, whatever the number of streams, over ${kind}`, async () => {
      const server = await started();
      const log = await opened(open, server);
      const other = await opened(open, server);
      const streams = numbered(700, "stream");
      const followers = streams.map((stream) => follow(log, stream));
      await expect.poll(() => channels(server)).toBe(700);
      expect(await subscriberConnections(server)).toBe(1);
      await Promise.all(streams.map((stream) => other.append(stream, `of ${stream}`, KEEP)));
      await expect
        .poll(() => followers.map(({ seen }) => seen[0]))
        .toEqual(streams.map((stream) => `of ${stream}`));
      for (const { stop } of followers.slice(0, 650)) stop();
      await expect.poll(() => channels(server)).toBe(50);
    });

    it(`come after the end and the deletion of a stream by another log, over ${kind}`, async () => {
      const server = await started();
      const log = await opened(open, server);
      const other = await opened(open, server);
      await other.append("stream", "event", KEEP);
      const follower = follow(log, "stream");
      await expect.poll(() => channels(server)).toBe(1);
      for (const change of [() => other.end("stream"), () => other.delete("stream")]) {
        const before = follower.wakes;
        await change();
        await expect.poll(() => follower.wakes).toBeGreaterThan(before);
      }
    });

    it(`come once for what this log itself appends, over ${kind}`, async () => {
      const server = await started();
      const log = await opened(open, server);
      const follower = follow(log, "stream");
      await expect.poll(() => channels(server)).toBe(1);
      await expect.poll(() => follower.wakes).toBe(1);
      for (const payload of numbered(20)) await log.append("stream", payload, KEEP);
      await expect.poll(() => follower.seen).toEqual(numbered(20));
      // The messages of all appends have come by now, in order.
      const other = await opened(open, server);
      await other.append("stream", "event 21", KEEP);
      await expect.poll(() => follower.seen).toEqual(numbered(21));
      expect(follower.wakes).toBeLessThanOrEqual(1 + 20 + 1);
    });

    it(`lose nothing when their connection is killed again and again, over ${kind}`, async () => {
      const server = await started();
      const errors: unknown[] = [];
      const log = await opened(open, server, { onError: (error) => errors.push(error) });
      const other = await opened(open, server);
      const followers = numbered(5, "stream").map((stream) => ({ stream, follower: follow(log, stream) }));
      for (let round = 1; round <= 30; round += 1) {
        if (round % 3 === 0) await server.command("CLIENT", "KILL", "TYPE", "pubsub");
        await Promise.all(followers.map(({ stream }) => other.append(stream, `event ${round}`, KEEP)));
        // Some in the dead time, some after it.
        if (round % 6 === 0) await expect.poll(() => subscriberConnections(server)).toBe(1);
      }
      for (const { follower } of followers)
        await expect.poll(() => follower.seen, { timeout: 10_000 }).toEqual(numbered(30));
      expect(errors.length).toBeGreaterThan(0);
      for (const error of errors) expect(error).toMatchObject({ code: "backend" });
    });

    it(`go on after the server was killed and started again, over ${kind}`, async () => {
      const server = await started({ isDurable: true });
      const log = await opened(open, server, { timeoutMs: 10_000 });
      const other = await opened(open, server, { timeoutMs: 10_000 });
      const follower = follow(log, "stream");
      for (let round = 1; round <= 3; round += 1) {
        await other.append("stream", `event ${round}`, KEEP);
        await expect.poll(() => follower.seen, { timeout: 10_000 }).toEqual(numbered(round));
        await server.kill();
        await server.startAgain();
        await expect.poll(() => subscriberConnections(server), { timeout: 15_000 }).toBe(1);
      }
    });

    it(`find out that their connection has fallen silent, over ${kind}`, async () => {
      const server = await started();
      const proxy = await behindProxy(server);
      const errors: unknown[] = [];
      const options = { heartbeatMs: 200, timeoutMs: 300, onError: (error: unknown) => errors.push(error) };
      const log = await opened(open, proxy, options);
      const other = await opened(open, server);
      const follower = follow(log, "stream");
      await expect.poll(() => channels(server)).toBe(1);
      await other.append("stream", "event 1", KEEP);
      await expect.poll(() => follower.seen).toEqual(["event 1"]);
      proxy.silenceAll();
      await other.append("stream", "event 2", KEEP);
      await expect.poll(() => errors, { timeout: 5000 }).toMatchObject([{ code: "timeout" }]);
      // The client's own connection is silent too, which is the client's affair.
      proxy.killAll();
      await other.append("stream", "event 3", KEEP);
      await expect.poll(() => follower.seen, { timeout: 10_000 }).toEqual(numbered(3));
    });

    it(`leave no connection behind when nobody follows any more, over ${kind}`, async () => {
      const server = await started();
      const log = await opened(open, server, { heartbeatMs: 100 });
      for (let round = 0; round < 3; round += 1) {
        const follower = follow(log, "stream");
        await expect.poll(() => subscriberConnections(server)).toBe(1);
        follower.stop();
        await expect.poll(() => subscriberConnections(server), { timeout: 5000 }).toBe(0);
      }
    });
  }

  it("come by looking now and then when the server lets nobody subscribe", async () => {
    const server = await started();
    await server.command("ACL", "SETUSER", "deaf", "on", "nopass", "~*", "&*", "+@all", "-subscribe");
    const errors: unknown[] = [];
    const log = await opened(
      (target) => openNodeRedis(target, { username: "deaf", password: "any" }),
      server,
      { onError: (error) => errors.push(error) },
    );
    const other = await opened(openNodeRedis, server);
    const follower = follow(log, "stream");
    await expect.poll(() => errors.length).toBeGreaterThan(0);
    expect(errors[0]).toMatchObject({ code: "backend" });
    await other.append("stream", "event 1", KEEP);
    await expect.poll(() => follower.seen, { timeout: 10_000 }).toEqual(["event 1"]);
    await server.command("ACL", "SETUSER", "deaf", "+subscribe");
    await expect.poll(() => channels(server), { timeout: 15_000 }).toBe(1);
  });

  it("come for an append that was given up and took effect all the same", async () => {
    const server = await started();
    const log = await opened(openNodeRedis, server, { timeoutMs: 200 });
    await log.append("stream", "event 1", KEEP);
    const follower = follow(log, "stream");
    await expect.poll(() => follower.seen).toEqual(["event 1"]);
    server.pause();
    await expect(log.append("stream", "event 2", KEEP)).rejects.toMatchObject({ mayHaveHappened: true });
    server.resume();
    await expect.poll(() => follower.seen).toEqual(numbered(2));
  });

  it("take few commands when streams are followed and left in bulk", async () => {
    const server = await started();
    const log = await opened(openIoredis, server);
    follow(log, "first");
    await expect.poll(() => channels(server)).toBe(1);
    const [commands = []] = await commandsDuring([server], async () => {
      const followers = numbered(400, "stream").map((stream) => log.subscribe(stream, () => undefined));
      await expect.poll(() => channels(server)).toBe(401);
      for (const stop of followers) stop();
      await expect.poll(() => channels(server)).toBe(1);
    });
    const own = commands.filter((name) => name.endsWith("subscribe"));
    expect(own).toEqual(["subscribe", "unsubscribe"]);
  });
});
