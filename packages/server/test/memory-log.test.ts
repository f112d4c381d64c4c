import { eventLogSuite } from "@resumable-mcp/testing/event-log-suite";
import { describe, expect, it, vi } from "vitest";
import type { MemoryLogOptions, Retention } from "../src/index.js";
import { memoryLog } from "../src/logs/memory.js";
import { heapInUse } from "./support/heap.js";

const MINUTE_MS = 60_000;
const UNLIMITED: Retention = { maxEvents: null, maxBytes: null, ttlMs: null, headTtlMs: null };

function onFakeClock(options: MemoryLogOptions = {}) {
  const clock = { ms: 1_000_000 };
  return { clock, log: memoryLog({ ...options, now: () => clock.ms }) };
}

eventLogSuite(
  { describe, it },
  {
    name: "memoryLog",
    create: onFakeClock,
    capabilities: {
      time: {
        unitMs: MINUTE_MS,
        elapse: async ({ clock }, ms) => {
          clock.ms += ms;
        },
      },
    },
  },
);

describe("the byte budget of memoryLog", () => {
  const payload = "x".repeat(1000);

  it("drops the oldest events of the stream used longest ago first, and says so", async () => {
    const { log } = onFakeClock({ maxTotalBytes: 25_000 });
    for (const stream of ["old", "read", "new"]) {
      for (let n = 0; n < 6; n += 1) await log.append(stream, payload, UNLIMITED);
    }
    // The order of use is now: old, new, read.
    await log.read("read", 0, 1);
    for (let n = 0; n < 4; n += 1) await log.append("new", payload, UNLIMITED);
    const old = await log.read("old", 0, 10);
    expect(old?.head.seq).toBe(6);
    expect(old?.floor).toBeGreaterThan(1);
    expect(old?.entries.map(({ seq }) => seq)).toEqual(
      Array.from({ length: 7 - (old?.floor ?? 0) }, (_, n) => (old?.floor ?? 0) + n),
    );
    expect((await log.read("read", 0, 100))?.floor).toBe(1);
    expect((await log.read("new", 0, 100))?.floor).toBe(1);
  });

  it("keeps head and epoch of a stream whose events it drops, so that a reader learns what it missed", async () => {
    const { log } = onFakeClock({ maxTotalBytes: 10_000 });
    const { epoch } = await log.append("old", payload, UNLIMITED);
    for (let n = 0; n < 20; n += 1) await log.append("new", payload, UNLIMITED);
    expect(await log.read("old", 0, 10)).toEqual({
      entries: [],
      head: { epoch, seq: 1 },
      floor: 2,
      ended: false,
    });
    expect(await log.append("old", "next", UNLIMITED)).toEqual({ epoch, seq: 2 });
  });

  it("keeps the newest events of the one stream that is too large by itself", async () => {
    const { log } = onFakeClock({ maxTotalBytes: 10_000 });
    for (let n = 0; n < 50; n += 1) await log.append("stream", payload, UNLIMITED);
    const page = await log.read("stream", 0, 100);
    expect(page?.entries.length).toBeGreaterThan(5);
    expect(page?.entries.length).toBeLessThan(10);
    expect(page?.entries.at(-1)?.seq).toBe(50);
  });

  it("does not keep an event that is larger than the whole budget, and says so", async () => {
    const { log } = onFakeClock({ maxTotalBytes: 10_000 });
    await log.append("stream", "x".repeat(20_000), UNLIMITED);
    expect(await log.read("stream", 0, 10)).toMatchObject({ entries: [], head: { seq: 1 }, floor: 2 });
  });

  it("forgets the heads silent for longest when nothing else is left to drop", async () => {
    const { log } = onFakeClock({ maxTotalBytes: 20_000 });
    const noEvents = { ...UNLIMITED, maxEvents: 0 };
    for (let n = 0; n < 100; n += 1) await log.append(`stream ${n}`, payload, noEvents);
    expect(await log.read("stream 0", 0, 1)).toBeUndefined();
    expect(await log.read("stream 99", 0, 1)).toMatchObject({ head: { seq: 1 } });
  });

  it("bounds the heap, whatever is appended", { timeout: 120_000 }, async () => {
    const { log } = onFakeClock({ maxTotalBytes: 4 * 1024 * 1024 });
    const before = await heapInUse();
    for (let n = 0; n < 200_000; n += 1) {
      await log.append(`stream ${n % 50_000}`, `${n} `.padEnd(200, "x"), UNLIMITED);
    }
    // 200 000 events of 200 bytes in 50 000 streams would be some 100 MiB.
    expect((await heapInUse()) - before).toBeLessThan(12 * 1024 * 1024);
  });
});

describe("the memory of expired streams", () => {
  it("is given back by appends to other streams, without a timer and without being read", async () => {
    const { log, clock } = onFakeClock({ maxTotalBytes: 1_000_000 });
    const retention = { ...UNLIMITED, ttlMs: MINUTE_MS, headTtlMs: 2 * MINUTE_MS };
    for (let n = 0; n < 100; n += 1) await log.append(`stream ${n}`, "x".repeat(5000), retention);
    clock.ms += 3 * MINUTE_MS;
    // Half of them are looked at and forgotten by these appends; then there is room for another stream's 800 kB.
    for (let n = 0; n < 60; n += 1) await log.append("busy", "small", UNLIMITED);
    await log.append("large", "x".repeat(900_000), UNLIMITED);
    expect(await log.read("busy", 0, 1)).toMatchObject({ floor: 1 });
    expect(await log.read("large", 0, 1)).toMatchObject({ floor: 1 });
  });

  it("keeps no timer: the process may end", async () => {
    const before = process.getActiveResourcesInfo().length;
    const log = memoryLog();
    await log.append("stream", "event", { ...UNLIMITED, ttlMs: MINUTE_MS });
    expect(process.getActiveResourcesInfo().length).toBeLessThanOrEqual(before);
  });
});

describe("the wake-ups of memoryLog", () => {
  it("come after an end, a delete and the close too, so that no follower waits for ever", async () => {
    const { log } = onFakeClock();
    await log.append("stream", "event", UNLIMITED);
    const wake = vi.fn();
    log.subscribe("stream", wake);
    await log.end("stream");
    await vi.waitFor(() => expect(wake).toHaveBeenCalledTimes(1));
    await log.delete("stream");
    await vi.waitFor(() => expect(wake).toHaveBeenCalledTimes(2));
    await log.close();
    await vi.waitFor(() => expect(wake).toHaveBeenCalledTimes(3));
  });

  it("are one for appends of the same tick, and none for another stream", async () => {
    const { log } = onFakeClock();
    const wake = vi.fn();
    const other = vi.fn();
    log.subscribe("stream", wake);
    log.subscribe("other", other);
    await Promise.all(Array.from({ length: 10 }, () => log.append("stream", "event", UNLIMITED)));
    await vi.waitFor(() => expect(wake).toHaveBeenCalled());
    expect(wake).toHaveBeenCalledTimes(1);
    expect(other).not.toHaveBeenCalled();
  });
});

describe("the options of memoryLog", () => {
  it.each([
    ["maxTotalBytes", 0],
    ["maxTotalBytes", 1.5],
    ["maxTotalBytes", Number.NaN],
    ["maxPayloadBytes", 0],
    ["maxPayloadBytes", -1],
    ["now", 5],
  ])("refuse %s = %s", (option, value) => {
    // As a caller without types would give them.
    const options = { [option]: value } as MemoryLogOptions;
    expect(() => memoryLog(options)).toThrow(
      expect.objectContaining({
        code: "invalid-option",
        message: expect.stringContaining(option) as string,
      }),
    );
  });

  it("set the largest payload", async () => {
    const { log } = onFakeClock({ maxPayloadBytes: 4 });
    await log.append("stream", "漢x", UNLIMITED);
    await expect(log.append("stream", "漢xx", UNLIMITED)).rejects.toMatchObject({
      code: "payload-too-large",
      message: expect.stringContaining("at most 4 bytes") as string,
    });
  });

  it("set a clock that may be turned back without making new events old", async () => {
    const { log, clock } = onFakeClock();
    const retention = { ...UNLIMITED, maxEvents: 1, ttlMs: MINUTE_MS };
    await log.append("stream", "first", retention);
    clock.ms -= 10 * MINUTE_MS;
    await log.append("stream", "second", retention);
    clock.ms += 10.5 * MINUTE_MS;
    expect((await log.read("stream", 0, 10))?.entries.map(({ seq }) => seq)).toEqual([2]);
    clock.ms += MINUTE_MS;
    expect((await log.read("stream", 0, 10))?.entries).toEqual([]);
  });
});
