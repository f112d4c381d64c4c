// Tests a batch that the Redis log sends behind another one, before that one is answered.

import { expect, it } from "vitest";
import { repetitions } from "../../../test-support/repetitions.js";
import { seededRandom } from "../../testing/src/random.js";
import type { EventLog, Position } from "../src/log/event-log.js";
import { describeRedis } from "./support/describe-redis.js";
import { openIoredis } from "./support/redis-clients.js";
import { behindProxy, KEEP, KINDS, opened, started } from "./support/redis-fixtures.js";

async function payloadsOf(log: EventLog, stream = "stream"): Promise<readonly string[]> {
  const payloads: string[] = [];
  for (;;) {
    const page = await log.read(stream, payloads.length, 10_000);
    if (page === undefined || page.entries.length === 0) return payloads;
    payloads.push(...page.entries.map(({ payload }) => payload));
  }
}

/** Random runs go on until connections were cut so many times. */
const CUTS = 15;

const burst = (name: string, count = 64) => Array.from({ length: count }, (_, event) => `${name}/${event}`);

const appendAll = (log: EventLog, payloads: readonly string[], stream = "stream"): Promise<Position[]> =>
  Promise.all(payloads.map((payload) => log.append(stream, payload, KEEP)));

const seqs = (positions: readonly Position[]) => positions.map(({ seq }) => seq);

const upFrom = (first: number, count = 64) => Array.from({ length: count }, (_, index) => first + index);

describeRedis("a batch that redisLog sends behind another one, before that is answered", () => {
  for (const [kind, open] of KINDS) {
    it(`is stored behind it though no answer comes, and not twice when both are sent again, over ${kind}`, async () => {
      const server = await started();
      const proxy = await behindProxy(server);
      const log = await opened(open, proxy);
      const direct = await opened(open, server);
      await log.append("stream", "first", KEEP);
      const wanted = ["first"];
      for (let round = 0; round < 4; round += 1) {
        proxy.silenceAll("down");
        const appends = appendAll(log, burst(`round ${round}`));
        wanted.push(...burst(`round ${round}`));
        await expect.poll(() => payloadsOf(direct), { interval: 5 }).toEqual(wanted);
        expect(proxy.killAll()).toBeGreaterThan(0);
        expect(seqs(await appends)).toEqual(upFrom(wanted.length - 63));
      }
      expect(await payloadsOf(direct)).toEqual(wanted);
    });

    it(`goes once more when another process came before the first, over ${kind}`, async () => {
      const server = await started();
      const log = await opened(open, server);
      const other = await opened(open, server);
      await log.append("stream", "first", KEEP);
      // The log knows nothing of this one, and expects another state.
      await other.append("stream", "between", KEEP);
      expect(seqs(await appendAll(log, burst("burst")))).toEqual(upFrom(3));
      expect(await payloadsOf(log)).toEqual(["first", "between", ...burst("burst")]);
    });

    it(`fails as the first does when the stream has ended meanwhile, over ${kind}`, async () => {
      const server = await started();
      const log = await opened(open, server);
      const other = await opened(open, server);
      await log.append("stream", "first", KEEP);
      await other.end("stream");
      const results = await Promise.allSettled(
        burst("late").map((payload) => log.append("stream", payload, KEEP)),
      );
      for (const result of results) {
        expect(result).toMatchObject({ reason: { code: "ended", mayHaveHappened: false } });
      }
      expect(await payloadsOf(log)).toEqual(["first"]);
    });

    it(`goes on in a new epoch behind the first when the server has lost the stream, over ${kind}`, async () => {
      const server = await started();
      const log = await opened(open, server);
      const before = await log.append("stream", "first", KEEP);
      await server.command("FLUSHALL");
      const positions = await appendAll(log, burst("burst"));
      expect(seqs(positions)).toEqual(upFrom(1));
      expect(new Set(positions.map(({ epoch }) => epoch)).size).toBe(1);
      expect(positions[0]?.epoch).not.toBe(before.epoch);
      expect(await payloadsOf(log)).toEqual(burst("burst"));
    });
  }

  const seeds = Array.from({ length: repetitions({ full: 10, scaled: 1 }) }, (_, index) => index + 1);

  it.each(seeds.flatMap((seed) => KINDS.map(([kind, open]) => [seed, kind, open] as const)))(
    "never comes twice, before another or to nothing, whatever breaks and whoever else appends (seed %i, %s)",
    async (seed, kind, open) => {
      const random = seededRandom(seed);
      const server = await started();
      const proxy = await behindProxy(server, seed);
      const direct = await opened(openIoredis, server);
      const logs = await Promise.all([0, 1].map(() => opened(open, proxy, { timeoutMs: 60_000 })));
      for (const log of logs) await log.append("stream", "warm", KEEP);
      proxy.setWeather([
        { kind: "latency", ms: 2, jitterMs: 2 },
        { kind: "kills", meanIntervalMs: 40 },
      ]);
      const wanted = logs.map((): string[] => []);
      const placed = new Map<string, number>();
      await Promise.all(
        logs.map(async (log, writer) => {
          for (let round = 0; round < 20 || proxy.counters.cut < CUTS; round += 1) {
            // Together they run on past each other's answers, alone there is nothing to follow.
            const payloads = burst(`${writer}/${round}`, 1 + Math.floor(random() * 120));
            wanted[writer]?.push(...payloads);
            const positions = await appendAll(log, payloads);
            payloads.forEach((payload, index) => placed.set(payload, positions[index]?.seq ?? 0));
          }
        }),
      );
      const stored = await payloadsOf(direct);
      for (const [writer, payloads] of wanted.entries()) {
        expect(
          stored.filter((payload) => payload.startsWith(`${writer}/`)),
          `seed ${seed}, ${kind}`,
        ).toEqual(payloads);
      }
      for (const [payload, seq] of placed) expect(stored[seq - 1], `seed ${seed}, ${kind}`).toBe(payload);
    },
    60_000,
  );
});
