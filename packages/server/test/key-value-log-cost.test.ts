import { afterEach, describe, expect, it } from "vitest";
import type { AsyncKeyValue, EventLog, KeyValueLogOptions } from "../src/index.js";
import { memoryKeyValue } from "../src/logs/key-value/memory-key-value.js";
import { keyValueLog } from "../src/logs/key-value/key-value-log.js";
import { faultyKeyValue } from "./support/faulty-key-value.js";

const UNLIMITED = { maxEvents: null, maxBytes: null, ttlMs: null, headTtlMs: null };
const EVENTS = "resumable-mcp-events";
const HEADS = "resumable-mcp-heads";

const open: EventLog[] = [];
afterEach(async () => {
  for (const log of open.splice(0)) await log.close();
});

function countedLog(options: KeyValueLogOptions = {}, inner: AsyncKeyValue = memoryKeyValue()) {
  const keyValue = faultyKeyValue(inner);
  const another = () => {
    const log = keyValueLog(keyValue, options);
    open.push(log);
    return log;
  };
  const counted = async (work: () => Promise<unknown>) => {
    keyValue.counts.clear();
    await work();
    return Object.fromEntries(keyValue.counts);
  };
  return { keyValue, log: another(), another, counted };
}

describe("what keyValueLog asks of its store", () => {
  it.each([0, 10, 1000])(
    "is one put of the event and one of the head per append after %i events",
    async (length) => {
      const { log, counted } = countedLog();
      await log.append("stream", "first", UNLIMITED);
      for (let n = 0; n < length; n += 1) await log.append("stream", `${n}`, UNLIMITED);
      const counts = await counted(() => log.append("stream", "measured", UNLIMITED));
      expect(counts).toEqual({ [`put ${EVENTS}`]: 1, [`put ${HEADS}`]: 1 });
    },
  );

  it("is the head and the events of the page per read", async () => {
    const { log, counted } = countedLog();
    for (let n = 0; n < 200; n += 1) await log.append("stream", `${n}`, UNLIMITED);
    const counts = await counted(() => log.read("stream", 100, 50));
    expect(counts).toEqual({ [`getMany ${EVENTS}`]: 1, [`getMany ${HEADS}`]: 1 });
  });

  it("is one batch for appends that come while another one is being written", async () => {
    const { log, counted } = countedLog();
    await log.append("stream", "first", UNLIMITED);
    const counts = await counted(() =>
      Promise.all(Array.from({ length: 64 }, (_, n) => log.append("stream", `${n}`, UNLIMITED))),
    );
    expect(counts).toEqual({ [`putMany ${EVENTS}`]: 1, [`put ${HEADS}`]: 1 });
  });

  it("deletes what retention dropped by the dozen, and leaves only a few behind", async () => {
    const { log, keyValue, counted } = countedLog();
    const retention = { ...UNLIMITED, maxEvents: 10 };
    const counts = await counted(async () => {
      for (let n = 1; n <= 1000; n += 1) await log.append("stream", `${n}`, retention);
      await log.close();
    });
    expect(counts[`deleteMany ${EVENTS}`]).toBeGreaterThan(0);
    expect(counts[`deleteMany ${EVENTS}`]).toBeLessThan(40);
    expect(keyValue.keysOf(EVENTS).length).toBeGreaterThanOrEqual(10);
    expect(keyValue.keysOf(EVENTS).length).toBeLessThan(60);
  });

  it("leaves nothing of a deleted stream", async () => {
    const { log, keyValue } = countedLog();
    const retention = { ...UNLIMITED, maxEvents: 500 };
    await Promise.all(Array.from({ length: 700 }, (_, n) => log.append("stream", `${n}`, retention)));
    expect(keyValue.keysOf(EVENTS).length).toBeGreaterThanOrEqual(500);
    expect(keyValue.keysOf(HEADS).length).toBeGreaterThan(0);
    await log.delete("stream");
    await log.close();
    expect([...keyValue.keysOf(EVENTS), ...keyValue.keysOf(HEADS)]).toEqual([]);
  });

  it("leaves nothing of a stream that was forgotten, once its name is used again", async () => {
    const clock = { ms: 0 };
    const { log, keyValue } = countedLog({ now: () => clock.ms });
    const retention = { ...UNLIMITED, ttlMs: 1000, headTtlMs: 1000 };
    for (let n = 1; n <= 20; n += 1) await log.append("stream", `${n}`, retention);
    clock.ms += 5000;
    await log.append("stream", "new", retention);
    await log.close();
    expect(keyValue.keysOf(EVENTS)).toHaveLength(1);
  });

  it("gives the store a ttl for events and heads, so that abandoned streams go by themselves", async () => {
    const { log, keyValue } = countedLog();
    await log.append("stream", "1", { ...UNLIMITED, ttlMs: 3_600_000, headTtlMs: 86_400_000 });
    expect(Object.fromEntries(keyValue.ttls)).toEqual({ [EVENTS]: 3601, [HEADS]: 86_401 });
    await log.end("stream");
    expect(keyValue.ttls.get(HEADS)).toBe(3601);
    // The older head, with its longer ttl, would come to light again.
    expect(keyValue.keysOf(HEADS)).toHaveLength(1);
    await log.append("for ever", "1", UNLIMITED);
    expect(Object.fromEntries(keyValue.ttls)).toEqual({ [EVENTS]: undefined, [HEADS]: undefined });
  });

  it("names its collections after the option", async () => {
    const { log, counted } = countedLog({ collection: "mine" });
    const counts = await counted(() => log.append("stream", "1", UNLIMITED));
    expect(Object.keys(counts).every((name) => / mine-(events|heads)$/.test(name))).toBe(true);
  });
});

describe("keyValueLog and the store's own life", () => {
  it("shows an event that the store evicted as a gap, and what lies behind it in order", async () => {
    const inner = memoryKeyValue();
    const { log, keyValue, another } = countedLog({}, inner);
    for (let n = 1; n <= 10; n += 1) await log.append("stream", `${n}`, UNLIMITED);
    const evicted = keyValue.keysOf(EVENTS).filter((_, index) => index === 2 || index === 5);
    await inner.deleteMany(evicted, { collection: EVENTS });
    for (const reader of [log, another()]) {
      const page = await reader.read("stream", 0, 100);
      expect(page?.entries.map(({ seq }) => seq)).toEqual([7, 8, 9, 10]);
      expect(page).toMatchObject({ floor: 7, head: { seq: 10 } });
    }
    expect(await log.append("stream", "11", UNLIMITED)).toMatchObject({ seq: 11 });
  });

  it("goes on to what is left when a whole page was evicted", async () => {
    const inner = memoryKeyValue();
    const { log, keyValue } = countedLog({}, inner);
    for (let n = 1; n <= 20; n += 1) await log.append("stream", `${n}`, UNLIMITED);
    await inner.deleteMany(keyValue.keysOf(EVENTS).slice(0, 15), { collection: EVENTS });
    const page = await log.read("stream", 0, 5);
    expect(page?.entries.map(({ seq }) => seq)).toEqual([16, 17, 18, 19, 20]);
    expect(page?.floor).toBe(16);
  });

  it("shows another process's reader what is appended, as it comes", async () => {
    const { log, another } = countedLog();
    const reader = another();
    expect(await reader.read("stream", 0, 10)).toBeUndefined();
    for (let n = 1; n <= 200; n += 1) {
      const { epoch } = await log.append("stream", `${n}`, { ...UNLIMITED, maxEvents: 50 });
      if (n % 20 !== 0) continue;
      expect(await reader.read("stream", n - 1, 10)).toEqual({
        entries: [{ seq: n, payload: `${n}` }],
        head: { epoch, seq: n },
        floor: Math.max(1, n - 49),
        ended: false,
      });
    }
    await log.end("stream");
    expect(await reader.read("stream", 0, 10)).toMatchObject({ ended: true });
    await log.delete("stream");
    expect(await reader.read("stream", 0, 10)).toBeUndefined();
  });

  it("notices in a read that another process has taken the stream over", async () => {
    const { log, another } = countedLog();
    const { epoch } = await log.append("stream", "1", UNLIMITED);
    const successor = another();
    await successor.append("stream", "2", UNLIMITED);
    const page = await log.read("stream", 0, 10);
    expect(page?.entries.map(({ payload }) => payload)).toEqual(["1", "2"]);
    expect(await log.append("stream", "3", UNLIMITED)).toEqual({ epoch, seq: 3 });
  });

  it("goes on with streams that it no longer remembers", async () => {
    const { log, counted } = countedLog({ maxOpenStreams: 2 });
    const retention = { ...UNLIMITED, maxEvents: 3 };
    for (let n = 1; n <= 6; n += 1) {
      for (const stream of ["a", "b", "c", "d"]) {
        expect(await log.append(stream, `${n}`, retention)).toMatchObject({ seq: n });
      }
    }
    for (const stream of ["a", "b", "c", "d"]) {
      const page = await log.read(stream, 0, 10);
      expect(page?.entries.map(({ seq }) => seq)).toEqual([4, 5, 6]);
    }
    // The two used last are remembered, the others looked up again.
    await log.append("d", "6a", retention);
    expect(await counted(() => log.append("d", "7", retention))).not.toHaveProperty(`getMany ${HEADS}`);
    expect(await counted(() => log.append("a", "7", retention))).toHaveProperty(`getMany ${HEADS}`, 1);
  });
});

describe("the options of keyValueLog", () => {
  it.each([
    ["timeoutMs", 0],
    ["timeoutMs", 2 ** 31],
    ["maxOpenStreams", 0],
    ["maxPendingBytes", -1],
    ["maxPayloadBytes", 1.5],
    ["now", 5],
    ["collection", 5],
  ])("refuse %s = %s", (option, value) => {
    // As a caller without types would give them.
    const options = { [option]: value } as KeyValueLogOptions;
    expect(() => keyValueLog(memoryKeyValue(), options)).toThrow(
      expect.objectContaining({
        code: "invalid-option",
        message: expect.stringContaining(option) as string,
      }),
    );
  });

  it("refuse a store that is none, and name what is missing", () => {
    // As a caller without types would give it.
    const incomplete = {
      ...faultyKeyValue(memoryKeyValue()),
      deleteMany: undefined,
    } as unknown as AsyncKeyValue;
    expect(() => keyValueLog(incomplete)).toThrow(
      expect.objectContaining({
        code: "invalid-option",
        message: expect.stringContaining("deleteMany") as string,
      }),
    );
  });

  it.each([undefined, null, "redis://localhost"])("refuse %s for a store", (given) => {
    // As a caller without types would give it.
    expect(() => keyValueLog(given as unknown as AsyncKeyValue)).toThrow(
      expect.objectContaining({
        code: "invalid-option",
        message: expect.stringContaining("keyValue must be an AsyncKeyValue") as string,
      }),
    );
  });
});
