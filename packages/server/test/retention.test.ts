import { beforeEach, describe, expect, test } from "vitest";
import { EventStore } from "../src/sdk/event-store.js";
import { memoryLog } from "../src/logs/memory.js";
import { GAP_METHOD } from "../src/store/messages.js";
import type { EventStoreOptions } from "../src/store/options.js";
import type { SessionEventStore } from "../src/sdk/session-event-store.js";
import { answer, collector, messagesOf, numbered } from "./support/messages.js";

const TTL = 10;
const HEAD_TTL = 60;
const NO_LIMITS = { maxEventsPerStream: null, maxBytesPerStream: null, ttl: null, headTtl: null };

let now = 0;
let session: SessionEventStore;

const pass = (seconds: number): void => {
  now += seconds * 1_000;
};

function open(options: EventStoreOptions, maxTotalBytes = 1_000_000): void {
  const storage = memoryLog({ now: () => now, maxTotalBytes });
  session = new EventStore({ ...NO_LIMITS, ...options, storage }).forSession("session");
}

/** Stores a priming event and then these; returns the priming event's id. */
async function fill(stream: string, messages: readonly object[]): Promise<string> {
  const cursor = await session.storeEvent(stream, {});
  for (const message of messages) await session.storeEvent(stream, message);
  return cursor;
}

async function resumed(cursor: string): Promise<object[]> {
  const { received, send } = collector();
  await session.replay(cursor, send);
  return messagesOf(received);
}

const numbers = (from: number, to: number): object[] =>
  Array.from({ length: to - from + 1 }, (_, index) => numbered(from + index));

const gap = (missed: number, from: number): object => ({
  jsonrpc: "2.0",
  method: GAP_METHOD,
  params: { missed, from, to: from + missed - 1 },
});

beforeEach(() => {
  now = 1_000_000;
});

describe("a stream keeps", () => {
  test("its newest events, by count, each stream for itself", async () => {
    open({ maxEventsPerStream: 3 });
    const [one, other] = [await fill("one", numbers(1, 8)), await fill("other", numbers(1, 2))];
    expect(await resumed(one)).toEqual([gap(5, 2), ...numbers(6, 8)]);
    expect(await resumed(other)).toEqual(numbers(1, 2));
  });

  test("its newest events, by bytes", async () => {
    const size = JSON.stringify(numbered(1)).length;
    open({ maxBytesPerStream: 3 * size });
    expect(await resumed(await fill("exactly", numbers(1, 5)))).toEqual([gap(2, 2), ...numbers(3, 5)]);
    open({ maxBytesPerStream: 3 * size - 1 });
    expect(await resumed(await fill("one less", numbers(1, 5)))).toEqual([gap(3, 2), ...numbers(4, 5)]);
  });

  test("its events until they are ttl old, and not a moment longer", async () => {
    open({ ttl: TTL, headTtl: HEAD_TTL });
    const cursor = await fill("stream", [numbered(1)]);
    pass(4);
    await session.storeEvent("stream", numbered(2));
    pass(TTL - 4);
    expect(await resumed(cursor)).toEqual(numbers(1, 2));
    pass(0.001);
    expect(await resumed(cursor)).toEqual([gap(1, 2), numbered(2)]);
    pass(4);
    expect(await resumed(cursor)).toEqual([gap(2, 2)]);
  });

  test("its place headTtl long after its last event, so that what follows is no gap", async () => {
    open({ ttl: TTL, headTtl: HEAD_TTL });
    await fill("stream", [numbered(1)]);
    const head = await session.storeEvent("stream", numbered(2));
    pass(HEAD_TTL);
    expect(await session.inspect(head)).toEqual({ kind: "resumed", replayed: 0 });
    await session.storeEvent("stream", numbered(3));
    expect(await resumed(head)).toEqual([numbered(3)]);
    pass(HEAD_TTL + 0.001);
    expect(await session.inspect(head)).toEqual({ kind: "unknown", reason: "no-stream" });
  });

  test("nothing at all once it has ended and its final response has expired", async () => {
    open({ ttl: TTL, headTtl: HEAD_TTL });
    const cursor = await fill("stream", [answer(1)]);
    pass(TTL);
    expect(await resumed(cursor)).toEqual([answer(1)]);
    pass(0.001);
    expect(await session.inspect(cursor)).toEqual({ kind: "unknown", reason: "no-stream" });
  });

  test("its events whatever becomes of others, for as long as nobody sets a limit", async () => {
    open({});
    const cursor = await fill("stream", numbers(1, 500));
    pass(100 * 365 * 86_400);
    await fill("other", numbers(1, 500));
    expect(await resumed(cursor)).toEqual(numbers(1, 500));
  });
});

describe("all streams together", () => {
  test("keep to the bytes of their log: those unused for longest lose first, and their clients learn how much", async () => {
    open({}, 100_000);
    const text = "x".repeat(1_000);
    const large = (number: number): object => ({ ...numbered(number), params: { number, text } });
    const oldest = await fill("oldest", [1, 2, 3].map(large));
    const used = await fill("used", [1, 2, 3].map(large));
    for (let stream = 0; stream < 90; stream += 1) {
      await fill(`stream ${stream}`, [large(1)]);
      expect(await resumed(used)).toHaveLength(3);
    }
    expect(await resumed(oldest)).toEqual([gap(3, 2)]);
    expect(await resumed(used)).toEqual([1, 2, 3].map(large));
  });
});
