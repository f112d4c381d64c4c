import { describe, expect, test } from "vitest";
import { EventStore } from "../src/sdk/event-store.js";
import { memoryKeyValue } from "../src/logs/key-value/memory-key-value.js";
import { memoryLog } from "../src/logs/memory.js";
import { collector, messagesOf, numbered } from "./support/messages.js";

describe("the options of a store", () => {
  test.each<[object, RegExp]>([
    [{ maxEventsPerStream: 0 }, /maxEventsPerStream.*at least 1.*null.*not 0/],
    [{ maxEventsPerStream: 1.5 }, /maxEventsPerStream/],
    [{ maxEventsPerStream: Number.NaN }, /maxEventsPerStream/],
    [{ maxBytesPerStream: -1 }, /maxBytesPerStream/],
    [{ ttl: 0 }, /ttl.*seconds.*not 0/],
    [{ ttl: -5 }, /ttl/],
    [{ ttl: Infinity }, /ttl/],
    [{ headTtl: Number.NaN }, /headTtl/],
    [{ operationTimeoutMs: 0 }, /operationTimeoutMs.*from 1 to 2147483647/],
    [{ operationTimeoutMs: 2 ** 31 }, /operationTimeoutMs/],
    [{ replayPageSize: 0 }, /replayPageSize/],
    [{ maxPendingEventsPerStream: 0 }, /maxPendingEventsPerStream/],
    [{ maxUnstoredPerSession: 0.5 }, /maxUnstoredPerSession/],
    [{ maxUnstoredTotal: 0 }, /maxUnstoredTotal.*at least 1/],
    [{ maxUnstoredSessions: 0 }, /maxUnstoredSessions.*at least 1/],
    [{ maxStreamsPerSession: 0 }, /maxStreamsPerSession/],
    [{ onGap: "ignore" }, /onGap.*"replay" or "refuse".*not ignore/],
    [{ ttl: "3600" }, /ttl.*not 3600/],
    [{ observe: "console" }, /observe.*function/],
    [{ storage: new Map() }, /storage.*EventLog.*AsyncKeyValue/],
    [{ storage: null }, /storage/],
  ])("%o are refused, naming the option and what it may be", (options, message) => {
    const construct = (): EventStore => new EventStore(options);
    expect(construct).toThrow(expect.objectContaining({ code: "invalid-option" }));
    expect(construct).toThrow(message);
  });

  test("may lift every limit", async () => {
    const store = new EventStore({
      maxEventsPerStream: null,
      maxBytesPerStream: null,
      ttl: null,
      headTtl: null,
    });
    const first = await store.storeEvent("stream", null);
    for (let number = 0; number < 300; number += 1) await store.storeEvent("stream", numbered(number));
    expect(await store.replay(first, () => undefined)).toEqual({ kind: "resumed", replayed: 300 });
  });

  test.each([
    ["nothing, which is memory", undefined],
    ["a log", memoryLog()],
    ["a key-value store", memoryKeyValue()],
  ])("take %s for storage", async (_name, storage) => {
    const store = new EventStore(storage === undefined ? {} : { storage });
    const first = await store.storeEvent("stream", numbered(1));
    await store.storeEvent("stream", numbered(2));
    const { received, send } = collector();
    await store.replayEventsAfter(first, send);
    expect(messagesOf(received)).toEqual([numbered(2)]);
    await store.close();
  });

  test("keep 100 events and an hour unless told otherwise", async () => {
    let now = 1_000_000;
    const store = new EventStore({ storage: memoryLog({ now: () => now }) });
    const first = await store.storeEvent("stream", null);
    for (let number = 1; number <= 101; number += 1) await store.storeEvent("stream", numbered(number));
    expect(await store.inspect(first)).toMatchObject({ kind: "gap", missed: 1, from: 2, to: 2 });
    now += 3_600_000;
    expect(await store.inspect(first)).toMatchObject({ kind: "gap", missed: 1 });
    now += 1;
    expect(await store.inspect(first)).toMatchObject({ kind: "gap", missed: 101 });
  });
});
