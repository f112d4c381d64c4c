import { describe, expect, it } from "vitest";
import { memoryKeyValue } from "../src/logs/key-value/memory-key-value.js";
import { keyValueLog } from "../src/logs/key-value/key-value-log.js";
import { type Fate, type Operation, faultyKeyValue } from "./support/faulty-key-value.js";

const RETENTION = { maxEvents: 100, maxBytes: null, ttlMs: 3_600_000, headTtlMs: 86_400_000 };
const isWrite = (operation: Operation): boolean => operation.startsWith("put");

function logOnFaultyStore(options = {}) {
  const keyValue = faultyKeyValue(memoryKeyValue());
  const open = () => keyValueLog(keyValue, options);
  const log = open();
  const append = (payload: string, to = log) => to.append("stream", payload, RETENTION);
  const read = async (from = log) =>
    (await from.read("stream", 0, 1000))?.entries.map(({ seq, payload }) => `${seq} ${payload}`);
  /** Only writes of events, only writes of heads, or all of them. */
  const failWrites = (fate: Fate, which: "events" | "heads" | "" = "") => {
    keyValue.fateOf = (operation, collection) =>
      isWrite(operation) && collection.endsWith(which) ? fate : "work";
  };
  const work = () => {
    keyValue.fateOf = () => "work";
  };
  return { keyValue, log, open, append, read, failWrites, work };
}

describe("keyValueLog on a store that fails", () => {
  it.each([
    ["events", ["1 one", "2 three"]],
    ["heads", ["1 one", "2 two", "3 three"]],
    ["", ["1 one", "2 three"]],
  ] as const)("leaves no hole when the writing of %s fails", async (which, stored) => {
    const { append, read, failWrites, work } = logOnFaultyStore();
    await append("one");
    failWrites("fail", which);
    await expect(append("two")).rejects.toMatchObject({
      name: "EventStoreError",
      code: "backend",
      mayHaveHappened: true,
      cause: { message: "refused on purpose" },
    });
    work();
    await append("three");
    expect(await read()).toEqual(stored);
  });

  it("keeps an event whose write was reported as failed and took effect, once and in its place", async () => {
    const { append, read, failWrites, work } = logOnFaultyStore();
    await append("one");
    failWrites("lie");
    await expect(append("two")).rejects.toMatchObject({ code: "backend", mayHaveHappened: true });
    work();
    expect(await append("three")).toMatchObject({ seq: 3 });
    expect(await read()).toEqual(["1 one", "2 two", "3 three"]);
  });

  it("wakes followers after a write that was reported as failed, since it may have taken effect", async () => {
    const { append, read, failWrites, work, log } = logOnFaultyStore();
    await append("one");
    failWrites("lie");
    const woken = new Promise<void>((resolve) => log.subscribe("stream", resolve));
    await expect(append("two")).rejects.toMatchObject({ code: "backend", mayHaveHappened: true });
    work();
    await woken;
    expect(await read()).toEqual(["1 one", "2 two"]);
  });

  it("is not changed by a failed write that takes effect later", async () => {
    const { append, read, failWrites, work, keyValue, open } = logOnFaultyStore();
    await append("one");
    failWrites("late");
    await expect(append("lost")).rejects.toMatchObject({ code: "backend" });
    work();
    const { epoch, seq } = await append("two");
    expect(seq).toBe(2);
    await append("three");
    await keyValue.land();
    await append("four");
    const stored = ["1 one", "2 two", "3 three", "4 four"];
    expect(await read()).toEqual(stored);
    const next = open();
    expect(await read(next)).toEqual(stored);
    expect(await append("five", next)).toEqual({ epoch, seq: 5 });
  });

  it("finds an event after a crash although the head of a failed append came later than its own", async () => {
    const { append, read, failWrites, work, keyValue, open } = logOnFaultyStore();
    await append("one");
    failWrites("late");
    await expect(append("lost")).rejects.toMatchObject({ code: "backend" });
    work();
    await append("two");
    await keyValue.land();
    expect(await read(open())).toEqual(["1 one", "2 two"]);
  });

  it("fails every append of a batch whose write failed, and stores those after it", async () => {
    const { append, read, failWrites, work } = logOnFaultyStore();
    await append("one");
    failWrites("fail");
    const failed = await Promise.allSettled(["a", "b", "c"].map((payload) => append(payload)));
    expect(failed.map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
    work();
    await append("two");
    expect(await read()).toEqual(["1 one", "2 two"]);
  });

  it("says that nothing was written when the stream could not even be looked up", async () => {
    const { append, keyValue, work } = logOnFaultyStore();
    keyValue.fateOf = () => "fail";
    await expect(append("one")).rejects.toMatchObject({ code: "backend", mayHaveHappened: false });
    work();
    expect(await append("one")).toMatchObject({ seq: 1 });
  });

  it("does not take a failing read for an empty stream", async () => {
    const { append, read, keyValue, work, open } = logOnFaultyStore();
    await append("one");
    keyValue.fateOf = (operation) => (operation === "getMany" ? "fail" : "work");
    await expect(read()).rejects.toMatchObject({ code: "backend" });
    const next = open();
    await expect(read(next)).rejects.toMatchObject({ code: "backend" });
    await expect(append("two", next)).rejects.toMatchObject({ code: "backend" });
    work();
    await append("two", next);
    expect(await read(next)).toEqual(["1 one", "2 two"]);
  });

  it("gives up on a store that does not answer, and goes on when it does again", async () => {
    const { append, read, failWrites, work } = logOnFaultyStore({ timeoutMs: 50 });
    await append("one");
    failWrites("hang");
    await expect(append("lost")).rejects.toMatchObject({ code: "timeout", mayHaveHappened: true });
    work();
    await append("two");
    expect(await read()).toEqual(["1 one", "2 two"]);
  });

  it("stores appends although the deletion of what retention dropped fails", async () => {
    const { keyValue, log } = logOnFaultyStore();
    keyValue.fateOf = (operation) => (operation === "deleteMany" ? "fail" : "work");
    const retention = { ...RETENTION, maxEvents: 3 };
    for (let n = 1; n <= 150; n += 1) await log.append("stream", `${n}`, retention);
    const page = await log.read("stream", 0, 1000);
    expect(page?.entries.map(({ seq }) => seq)).toEqual([148, 149, 150]);
  });

  it("ends a stream when it is asked again after a failure", async () => {
    const { log, append, failWrites, work } = logOnFaultyStore();
    await append("one");
    failWrites("fail");
    await expect(log.end("stream")).rejects.toMatchObject({ code: "backend", mayHaveHappened: true });
    work();
    expect(await log.read("stream", 0, 10)).toMatchObject({ ended: false });
    await log.end("stream");
    expect(await log.read("stream", 0, 10)).toMatchObject({ ended: true });
  });

  it("refuses appends past maxPendingBytes, and takes them again when the store has caught up", async () => {
    const { append, read, failWrites, work } = logOnFaultyStore({ timeoutMs: 50, maxPendingBytes: 1000 });
    await append("one");
    failWrites("hang");
    const hanging = append("x".repeat(900));
    await expect(append("y".repeat(200))).rejects.toMatchObject({
      code: "overloaded",
      mayHaveHappened: false,
      message: expect.stringContaining("maxPendingBytes") as string,
    });
    await expect(hanging).rejects.toMatchObject({ code: "timeout" });
    work();
    await append("two");
    expect(await read()).toEqual(["1 one", "2 two"]);
  });
});

describe("keyValueLog after a crash between the writes of one append", () => {
  it.each([
    ["the event was written and the head was not", "heads", 2, ["1 one", "2 torn", "3 next"]],
    ["the head was written and the event was not", "events", 1, ["1 one", "2 next"]],
  ] as const)("finds the true head when %s", async (_, failing, head, stored) => {
    const { append, read, failWrites, work, open } = logOnFaultyStore();
    const { epoch } = await append("one");
    failWrites("fail", failing);
    await expect(append("torn")).rejects.toMatchObject({ code: "backend" });
    work();
    const next = open();
    expect((await next.read("stream", 0, 10))?.head).toEqual({ epoch, seq: head });
    await append("next", next);
    expect(await read(next)).toEqual(stored);
  });

  it("stops at the first event of a batch that is missing, and never shows what lies behind it", async () => {
    const inner = memoryKeyValue();
    const keyValue = faultyKeyValue(inner);
    keyValue.putMany = async ([first, ...rest], options) => {
      // A crash in the middle of a batch: the first and the last event got through.
      const last = rest.at(-1);
      if (first === undefined || last === undefined) throw new Error("not a batch");
      await inner.putMany([first, last], options);
      throw new Error("crashed on purpose");
    };
    const log = keyValueLog(keyValue);
    await log.append("stream", "one", RETENTION);
    const batch = ["a", "b", "c"].map((payload) => log.append("stream", payload, RETENTION));
    expect((await Promise.allSettled(batch)).every(({ status }) => status === "rejected")).toBe(true);
    const next = keyValueLog(inner);
    for (const payload of ["two", "three", "four"]) await next.append("stream", payload, RETENTION);
    const page = await next.read("stream", 0, 10);
    expect(page?.entries.map(({ seq, payload }) => `${seq} ${payload}`)).toEqual([
      "1 one",
      "2 a",
      "3 two",
      "4 three",
      "5 four",
    ]);
  });

  it("goes by the older head when the newest one is torn", async () => {
    const keyValue = memoryKeyValue();
    const log = keyValueLog(keyValue);
    const positions = [];
    for (const payload of ["one", "two", "three"]) {
      positions.push(await log.append("stream", payload, RETENTION));
    }
    const collection = "resumable-mcp-heads";
    const keys = ["0stream", "1stream"];
    const heads = await keyValue.getMany(keys, { collection });
    const newest = Number(heads[0]?.version) > Number(heads[1]?.version) ? 0 : 1;
    await keyValue.put(`${newest}stream`, { format: 1, epoch: "torn" }, { collection });
    const next = keyValueLog(keyValue);
    expect((await next.read("stream", 0, 10))?.head).toEqual(positions.at(-1));
    expect(await next.append("stream", "four", RETENTION)).toEqual({ epoch: positions[0]?.epoch, seq: 4 });
  });

  it("never gives the number of an event that may have expired to another", async () => {
    const clock = { ms: 0 };
    const keyValue = faultyKeyValue(memoryKeyValue({ now: () => clock.ms }));
    const open = () => keyValueLog(keyValue, { now: () => clock.ms });
    const log = open();
    for (const payload of ["one", "two"]) await log.append("stream", payload, RETENTION);
    // Whoever saw the second event has a cursor at 2. Both events are gone from the store by now.
    clock.ms += 2 * RETENTION.ttlMs;
    const next = open();
    expect(await next.append("stream", "three", RETENTION)).toMatchObject({ seq: 3 });
  });
});
