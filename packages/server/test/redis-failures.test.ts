// Tests what the Redis log reports and repeats when the server refuses or the connection breaks.

import { expect, it, onTestFinished } from "vitest";
import { repetitions } from "../../../test-support/repetitions.js";
import type { EventLog, LogEntry } from "../src/log/event-log.js";
import { type RedisClient, redisLog } from "../src/logs/redis/redis-log.js";
import { describeRedis } from "./support/describe-redis.js";
import { openIoredis, openNodeRedis } from "./support/redis-clients.js";
import { behindProxy, KEEP, KINDS, opened, started } from "./support/redis-fixtures.js";

async function entriesOf(log: EventLog, stream = "stream"): Promise<readonly LogEntry[]> {
  return (await log.read(stream, 0, 10_000))?.entries ?? [];
}

const numbered = (count: number) => Array.from({ length: count }, (_, index) => `event ${index + 1}`);

describeRedis("redisLog when Redis refuses", () => {
  for (const [kind, open] of KINDS) {
    it(`says that nothing was stored when the server has become a replica, over ${kind}`, async () => {
      const server = await started();
      const log = await opened(open, server);
      await log.append("stream", "event 1", KEEP);
      await server.command("REPLICAOF", "127.0.0.1", "1");
      for (const stream of ["stream", "new stream"]) {
        await expect(log.append(stream, "event 2", KEEP)).rejects.toMatchObject({
          code: "backend",
          mayHaveHappened: false,
        });
      }
      await expect(log.append("stream", "event 2", KEEP)).rejects.toThrow(/READONLY.*failover/);
      await expect(log.end("stream")).rejects.toMatchObject({ code: "backend", mayHaveHappened: false });
      await expect(log.delete("stream")).rejects.toMatchObject({ code: "backend", mayHaveHappened: false });
      // What is there can be read all the while.
      expect(await entriesOf(log)).toEqual([{ seq: 1, payload: "event 1" }]);
      await server.command("REPLICAOF", "NO", "ONE");
      expect((await log.append("stream", "event 2", KEEP)).seq).toBe(2);
      expect(await log.read("new stream", 0, 10)).toBeUndefined();
    });

    it(`says that nothing was stored when the server is out of memory, over ${kind}`, async () => {
      const server = await started({ args: ["--maxmemory-policy", "noeviction"] });
      const log = await opened(open, server);
      await log.append("stream", "event 1", KEEP);
      await server.command("CONFIG", "SET", "maxmemory", "1");
      for (const stream of ["stream", "new stream"]) {
        const refusal = log.append(stream, "event 2", KEEP);
        await expect(refusal).rejects.toMatchObject({ code: "backend", mayHaveHappened: false });
        await expect(refusal).rejects.toThrow(/OOM.*maxmemory/);
      }
      const many = await Promise.allSettled(
        Array.from({ length: 40 }, (_, event) => log.append(`stream ${event % 4}`, "event", KEEP)),
      );
      expect(many.every(({ status }) => status === "rejected")).toBe(true);
      expect(await entriesOf(log)).toEqual([{ seq: 1, payload: "event 1" }]);
      await log.delete("stream");
      await server.command("CONFIG", "SET", "maxmemory", "0");
      expect((await log.append("new stream", "event", KEEP)).seq).toBe(1);
      expect((await log.append("stream 1", "event", KEEP)).seq).toBe(1);
    });

    it(`says at the first call that a server has no Streams, and writes nothing, over ${kind}`, async () => {
      const server = await started({ args: ["--rename-command", "XADD", ""] });
      const log = await opened(open, server);
      await expect(log.read("stream", 0, 10)).rejects.toMatchObject({ code: "backend" });
      const refusal = log.append("stream", "event", KEEP);
      await expect(refusal).rejects.toMatchObject({ code: "backend", mayHaveHappened: false });
      await expect(refusal).rejects.toThrow(/no Streams/);
      expect(await server.command("DBSIZE")).toBe(0);
    });

    it(`fails one stream of a call that brings several, not the others, over ${kind}`, async () => {
      const server = await started();
      const log = await opened(open, server, { prefix: "p:" });
      await log.append("warm", "event", KEEP);
      await server.command("RPUSH", "p:{stream 7}:state", "not ours");
      for (let round = 1; round <= 3; round += 1) {
        const results = await Promise.allSettled(
          Array.from({ length: 20 }, (_, stream) => log.append(`stream ${stream}`, `event ${round}`, KEEP)),
        );
        for (const [stream, result] of results.entries()) {
          if (stream === 7)
            expect(result).toMatchObject({ reason: { code: "backend", mayHaveHappened: false } });
          else expect(result).toMatchObject({ value: { seq: round } });
        }
      }
      expect(await entriesOf(log, "stream 3")).toHaveLength(3);
    });
  }

  it("says so when the client's user may not do what the log needs", async () => {
    const server = await started();
    await server.command("ACL", "SETUSER", "weak", "on", "nopass", "~*", "&*", "+@all", "-xadd");
    const log = await opened((target) => openIoredis(target, { username: "weak", password: "any" }), server);
    await expect(log.append("stream", "event", KEEP)).rejects.toMatchObject({
      code: "backend",
      mayHaveHappened: false,
    });
    await server.command("ACL", "SETUSER", "weak", "+xadd", "-command");
    expect((await log.append("stream", "event", KEEP)).seq).toBe(1);
  });
});

describeRedis("redisLog when the connection breaks", () => {
  for (const [kind, open] of KINDS) {
    it(`does not store twice what was stored before its answer was lost, over ${kind}`, async () => {
      const server = await started();
      const proxy = await behindProxy(server);
      const log = await opened(open, proxy);
      const direct = await opened(open, server);
      await log.append("warm", "event", KEEP);
      const wanted: string[] = [];
      for (let round = 1; round <= 8; round += 1) {
        // One alone, or many at once, on one stream or on two.
        const payloads = Array.from({ length: round % 2 === 0 ? 1 : 9 }, (_, event) => `${round}/${event}`);
        proxy.silenceAll("down");
        const appends = payloads.map((payload) => log.append("stream", payload, KEEP));
        const others = payloads.map((payload) => log.append("other", payload, KEEP));
        wanted.push(...payloads);
        await expect.poll(async () => (await entriesOf(direct)).length, { interval: 5 }).toBe(wanted.length);
        expect(proxy.killAll()).toBeGreaterThan(0);
        const positions = await Promise.all([...appends, ...others]);
        const first = wanted.length - payloads.length + 1;
        const seqs = payloads.map((_, event) => first + event);
        expect(positions.map(({ seq }) => seq)).toEqual([...seqs, ...seqs]);
      }
      expect((await entriesOf(direct)).map(({ payload }) => payload)).toEqual(wanted);
      expect((await entriesOf(direct, "other")).map(({ payload }) => payload)).toEqual(wanted);
    });

    it(`gives the same position to what others have overtaken meanwhile, trimmed or not, over ${kind}`, async () => {
      const server = await started();
      const proxy = await behindProxy(server);
      const log = await opened(open, proxy);
      const direct = await opened(open, server);
      await log.append("stream", "event 1", KEEP);
      proxy.silenceAll("down");
      const append = log.append("stream", "event 2", KEEP);
      await expect.poll(async () => (await entriesOf(direct)).length, { interval: 5 }).toBe(2);
      for (let event = 3; event <= 40; event += 1) {
        await direct.append("stream", `event ${event}`, { ...KEEP, maxEvents: 5 });
      }
      proxy.killAll();
      expect((await append).seq).toBe(2);
      expect((await log.append("stream", "event 41", { ...KEEP, maxEvents: 5 })).seq).toBe(41);
      expect((await entriesOf(direct)).map(({ seq }) => seq)).toEqual([37, 38, 39, 40, 41]);
    });

    it(`keeps the order of calls over broken connections, over ${kind}`, async () => {
      const server = await started();
      const proxy = await behindProxy(server);
      const log = await opened(open, proxy, { timeoutMs: 20_000 });
      const wanted = numbered(600);
      const appends: Promise<unknown>[] = [];
      let killed = 0;
      for (const [index, payload] of wanted.entries()) {
        appends.push(log.append("stream", payload, KEEP));
        if (index % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
        if (index % 60 === 59) {
          await appends[index - 50];
          killed += proxy.killAll();
        }
      }
      await Promise.all(appends);
      expect(killed).toBeGreaterThan(1);
      expect((await entriesOf(log)).map(({ payload }) => payload)).toEqual(wanted);
    });

    it(`gives up in time when the server does not answer, and says that it may have happened, over ${kind}`, async () => {
      const server = await started();
      const log = await opened(open, server, { timeoutMs: 300 });
      await log.append("stream", "event 1", KEEP);
      server.pause();
      const startedAt = performance.now();
      // Either may be the first to be given up.
      expect(
        await Promise.allSettled([log.append("stream", "event 2", KEEP), log.read("other", 0, 10)]),
      ).toMatchObject([
        { reason: { code: "timeout", mayHaveHappened: true } },
        { reason: { code: "timeout", mayHaveHappened: false } },
      ]);
      expect(performance.now() - startedAt).toBeLessThan(5000);
      const made = ["event 1", "event 2", ...numbered(400).map((payload) => `waiting ${payload}`)];
      const waiting = made.slice(2).map((payload) => log.append("stream", payload, KEEP));
      for (const result of await Promise.allSettled(waiting)) {
        expect(result).toMatchObject({ reason: { code: "timeout" } });
      }
      server.resume();
      const last = () =>
        log.append("stream", "last", KEEP).then(
          ({ seq }) => seq,
          () => 0,
        );
      await expect.poll(last).toBeGreaterThan(1);
      // Whatever has happened of it, has in order.
      const stored = await entriesOf(log);
      expect(stored.map(({ seq }) => seq)).toEqual(stored.map((_, index) => index + 1));
      const places = stored
        .filter(({ payload }) => payload !== "last")
        .map(({ payload }) => made.indexOf(payload));
      expect(places).toEqual([...new Set(places)].sort((one, other) => one - other));
    });

    it(`says that nothing happened when the client was closed before, over ${kind}`, async () => {
      const server = await started();
      const { client, close } = await open(server);
      const log = redisLog(client, { timeoutMs: 1000 });
      await log.append("stream", "event", KEEP);
      await close();
      await expect
        .poll(() => log.append("stream", "event", KEEP).catch((error: unknown) => error))
        .toMatchObject({
          code: "backend",
          mayHaveHappened: false,
        });
      await expect(log.read("stream", 0, 10)).rejects.toMatchObject({ code: "backend" });
      await log.close();
    });
  }

  it("stores all in order and once while connections are reset at random, over both clients", async () => {
    const server = await started();
    const direct = await opened(openIoredis, server);
    for (const [kind, open] of KINDS) {
      const proxy = await behindProxy(server);
      const log = await opened(open, proxy, { timeoutMs: 30_000, prefix: `${kind}:` });
      await log.append("stream 0", "warm", KEEP);
      proxy.setWeather([{ kind: "kills", meanIntervalMs: 60 }]);
      const writers = Array.from({ length: 4 }, async (_, stream) => {
        for (const payload of numbered(repetitions({ full: 1500, scaled: 250 }))) {
          await log.append(`stream ${stream}`, payload, KEEP);
          if (stream === 3) await new Promise((resolve) => setTimeout(resolve, 1));
        }
      });
      const reader = (async () => {
        let seen = 0;
        while (seen < repetitions({ full: 1500, scaled: 250 })) {
          const page = await log.read("stream 3", seen, 10);
          for (const { seq, payload } of page?.entries ?? []) {
            seen += 1;
            expect([seq, payload]).toEqual([seen, `event ${seen}`]);
          }
        }
      })();
      await Promise.all([...writers, reader]);
      expect(proxy.log.filter(({ type }) => type === "cut").length).toBeGreaterThan(2);
      proxy.setWeather([]);
      const stored = await direct.read(`stream 1`, 0, 1);
      expect(stored).toBeUndefined();
      for (let stream = 0; stream < 4; stream += 1) {
        const payloads = (await entriesOf(log, `stream ${stream}`)).map(({ payload }) => payload);
        expect(payloads.filter((payload) => payload !== "warm")).toEqual(
          numbered(repetitions({ full: 1500, scaled: 250 })),
        );
      }
    }
  });

  it("believes no answer that a client gives to the wrong call, and has it connect again", async () => {
    const server = await started();
    const { client, close } = await openNodeRedis(server);
    onTestFinished(close);
    const log = redisLog(behindByOne(client));
    const wanted = numbered(40);
    for (const [index, payload] of wanted.entries()) {
      expect(await log.append("stream", payload, KEEP)).toMatchObject({ seq: index + 1 });
      expect((await log.read("stream", index, 5))?.entries).toEqual([{ seq: index + 1, payload }]);
      expect(await log.read("none", 0, 5)).toBeUndefined();
    }
    expect((await entriesOf(log)).map(({ payload }) => payload)).toEqual(wanted);
    await log.close();
  });
});

/** A node-redis client that gives each call the answer to the one before, again and again, until it connects anew. */
function behindByOne<Client extends RedisClient>(client: Client): Client {
  let calls = 0;
  let behind: Promise<unknown> | undefined;
  return new Proxy(client, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property, target);
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        const answer = Reflect.apply(value, target, args) as unknown;
        if (property !== "sendCommand" || !(answer instanceof Promise)) return answer;
        calls += 1;
        if (Array.isArray(args[0]) && args[0][0] === "QUIT") behind = undefined;
        else if (calls % 10 === 0) behind = Promise.reject(new Error("ERR unknown subcommand 'SETINFO'"));
        if (behind === undefined) return answer;
        const given = behind;
        behind = answer;
        // Whoever is given the answer looks at it.
        answer.catch(() => undefined);
        return given;
      };
    },
  });
}
