import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { EventStore } from "../src/sdk/event-store.js";
import { memoryLog } from "../src/logs/memory.js";
import type { StoreObservation } from "../src/store/observation.js";
import type { EventStoreOptions } from "../src/store/options.js";
import type { SessionEventStore } from "../src/sdk/session-event-store.js";
import { FaultyLog } from "./support/faulty-log.js";
import { answer, collector, messagesOf, numbered, type Received } from "./support/messages.js";

let log: FaultyLog;
let store: EventStore;
let session: SessionEventStore;
let seen: StoreObservation[];

function open(options: EventStoreOptions = {}): void {
  log = new FaultyLog(memoryLog());
  seen = [];
  store = new EventStore({
    storage: log,
    operationTimeoutMs: 20,
    observe: (observation) => seen.push(observation),
    ...options,
  });
  session = store.forSession("session");
}

beforeEach(() => open());
afterEach(() => store.close());

const put = (message: object): Promise<string> => session.storeEvent("stream", message);

async function replayed(cursor: string): Promise<Received[]> {
  const { received, send } = collector();
  await session.replayEventsAfter(cursor, { send });
  return received;
}

const gap = (missed: number, from: number, to: number): object => ({
  jsonrpc: "2.0",
  method: "notifications/resumable-mcp/gap",
  params: { missed, from, to },
});

describe("an event that the log cannot store", () => {
  test.each(["fail", "hang"] as const)("gets an empty id and is counted when it does %s", async (fault) => {
    await put(numbered(1));
    log.breakWhen(() => fault);
    expect(await put(numbered(2))).toBe("");
    expect(store.unstoredCount).toBe(1);
    expect(seen.at(-1)).toMatchObject({
      type: "unstored",
      sessionId: "session",
      streamId: "stream",
      kind: "message",
      kept: true,
      error: { code: fault === "fail" ? "backend" : "timeout" },
    });
  });

  test("keeps its place among those that were stored", async () => {
    const cursor = await put({});
    const isFaulty = (_operation: string, stream: string, payload: string): "fail" | undefined =>
      stream.startsWith("s:") && /"number":(2|3|5|7)}/.test(payload) ? "fail" : undefined;
    log.breakWhen(isFaulty);
    const ids = await Promise.all([1, 2, 3, 4, 5, 6, 7].map((number) => put(numbered(number))));
    expect(ids.map((id) => id === "")).toEqual([false, true, true, false, true, false, true]);
    const received = await replayed(cursor);
    expect(messagesOf(received)).toEqual([1, 2, 3, 4, 5, 6, 7].map(numbered));
    // From any of them, the rest follows: ids of messages from memory are cursors like the others.
    for (const [index, { id }] of received.entries()) {
      expect(messagesOf(await replayed(id))).toEqual([1, 2, 3, 4, 5, 6, 7].slice(index + 1).map(numbered));
    }
  });

  test("is not sent again to a client that has seen what came after it", async () => {
    await put({});
    log.breakWhen(() => "fail");
    await put(numbered(1));
    log.heal();
    const later = await put(numbered(2));
    expect(await replayed(later)).toEqual([]);
  });

  test("comes after the head when nothing was stored since", async () => {
    const cursor = await put(numbered(1));
    log.breakWhen(() => "fail");
    await put(numbered(2));
    log.heal();
    const received = await replayed(cursor);
    expect(messagesOf(received)).toEqual([numbered(2)]);
    expect(received[0]?.id).toMatch(/^1\+[0-9a-z]+\.1:/);
    // And is in its place once more is stored.
    await put(numbered(3));
    expect(messagesOf(await replayed(cursor))).toEqual([numbered(2), numbered(3)]);
    expect(messagesOf(await replayed(received[0]?.id ?? ""))).toEqual([numbered(3)]);
  });

  test("does not come twice when it is in the log after all", async () => {
    const cursor = await put(numbered(0));
    // The log takes the event and never says so.
    log.breakWhen((_operation, stream) => (stream.startsWith("s:") ? "hang-after" : undefined));
    expect(await put(numbered(1))).toBe("");
    log.heal();
    await put(numbered(2));
    expect(messagesOf(await replayed(cursor))).toEqual([numbered(1), numbered(2)]);
  });

  test("keeps its place when the one after it is in the log after all", async () => {
    const cursor = await put(numbered(0));
    log.breakWhen((_operation, _stream, payload) =>
      payload.includes('"number":1}') ? "fail" : payload.includes('"number":2}') ? "hang-after" : undefined,
    );
    await Promise.all([1, 2, 3].map((number) => put(numbered(number))));
    expect(messagesOf(await replayed(cursor))).toEqual([1, 2, 3].map(numbered));
  });

  test("is not taken for another one that reads the same", async () => {
    const cursor = await put({});
    await put(numbered(1));
    log.breakWhen(() => "hang");
    await put(numbered(1));
    log.heal();
    await put(numbered(1));
    expect(messagesOf(await replayed(cursor))).toEqual([numbered(1), numbered(1), numbered(1)]);
  });

  test("is dropped when it is a priming event: there is nothing to deliver", async () => {
    log.breakWhen(() => "fail");
    expect(await put({})).toBe("");
    expect(seen.at(-1)).toMatchObject({ type: "unstored", kind: "priming", kept: false });
  });

  test("that is the final response is delivered, and ends the stream", async () => {
    const cursor = await put(numbered(1));
    log.breakWhen(() => "fail");
    await put(answer(1));
    log.heal();
    const received = await replayed(cursor);
    expect(messagesOf(received)).toEqual([answer(1)]);
    expect(await session.inspect(received[0]?.id ?? "")).toEqual({ kind: "finished" });
    expect(await session.inspect(cursor)).toEqual({ kind: "resumed", replayed: 0 });
  });

  test("can be resumed from in another process, by its position", async () => {
    const cursor = await put(numbered(1));
    log.breakWhen(() => "fail");
    await put(numbered(2));
    log.heal();
    const [received] = await replayed(cursor);
    await put(numbered(3));
    const elsewhere = new EventStore({ storage: log }).forSession("session");
    const { received: rest, send } = collector();
    await elsewhere.replayEventsAfter(received?.id ?? "", { send });
    expect(messagesOf(rest)).toEqual([numbered(3)]);
  });

  test("does not keep the next ones from being stored when the log is back", async () => {
    log.breakWhen(() => "fail");
    await put(numbered(1));
    log.heal();
    const id = await put(numbered(2));
    expect(id).toMatch(/^1:/);
    await put(numbered(3));
    expect(messagesOf(await replayed(id))).toEqual([numbered(3)]);
  });
});

describe("when memory for unstored events is short", () => {
  const text = "x".repeat(1_000);
  const large = (number: number): object => ({ ...numbered(number), params: { number, text } });

  beforeEach(() => open({ maxUnstoredPerSession: 5_000 }));

  test("the oldest are lost, and the client is told how many, in their place", async () => {
    const cursor = await put(numbered(0));
    log.breakWhen(() => "fail");
    for (let number = 1; number <= 10; number += 1) await put(large(number));
    log.heal();
    await put(numbered(11));
    const received = await replayed(cursor);
    const gaps = received.filter(({ message }) => message.method === "notifications/resumable-mcp/gap");
    const missed = gaps.map(({ message }) => (message.params as { missed: number }).missed);
    const kept = messagesOf(received).slice(gaps.length, -1);
    expect(missed.reduce((sum, number) => sum + number, 0) + kept.length).toBe(10);
    expect(kept.length).toBeGreaterThan(2);
    expect(messagesOf(received).slice(gaps.length)).toEqual([
      ...Array.from({ length: kept.length }, (_, index) => large(11 - kept.length + index)),
      numbered(11),
    ]);
    expect(new Set(received.map(({ id }) => id)).size).toBe(received.length);
    expect(await session.inspect(cursor)).toMatchObject({ kind: "gap", missed: 10 - kept.length });
    // Whoever has been told is not told again.
    const rest = await replayed(received[gaps.length - 1]?.id ?? "");
    expect(messagesOf(rest)).toEqual(messagesOf(received).slice(gaps.length));
  });

  test("it stays bounded, however many there are", async () => {
    const cursor = await put(numbered(0));
    log.breakWhen(() => "fail");
    await Promise.all(Array.from({ length: 2_000 }, (_, index) => put(numbered(index))));
    log.heal();
    const received = await replayed(cursor);
    const missed = received.reduce((sum, { message }) => {
      const params = message.params as { missed?: number };
      return sum + (params.missed ?? 0);
    }, 0);
    const kept = received.filter(({ message }) => message.method === "notifications/numbered");
    expect(missed + kept.length).toBe(2_000);
    expect(received.length).toBeLessThan(60);
  });

  test("a stream keeps the count of its losses, however many another stream of the session has", async () => {
    const cursors = [await put({}), await session.storeEvent("noisy", {})];
    log.breakWhen(() => "fail");
    await put(numbered(1));
    await Promise.all(
      Array.from({ length: 200 }, (_, index) => session.storeEvent("noisy", numbered(index))),
    );
    log.heal();
    const [quiet = [], noisy = []] = await Promise.all(cursors.map(replayed));
    expect(messagesOf(quiet)).toEqual([gap(1, 2, 1)]);
    const missed = noisy.map(({ message }) => (message.params as { missed?: number }).missed ?? 1);
    expect(missed.reduce((sum, number) => sum + number, 0)).toBe(200);
    expect(noisy.length).toBeLessThan(60);
  });

  test("an event too large for it is lost at once", async () => {
    const cursor = await put(numbered(0));
    log.breakWhen(() => "fail");
    await put({ ...numbered(1), params: { text: text.repeat(10) } });
    log.heal();
    await put(numbered(2));
    expect(seen.filter(({ type }) => type === "unstored")).toMatchObject([{ kept: false }]);
    expect(messagesOf(await replayed(cursor))).toEqual([gap(1, 2, 1), numbered(2)]);
  });
});

describe("a log that hangs", () => {
  test("holds neither a call nor the gate for ever", async () => {
    const cursor = await put(numbered(1));
    let reads = 0;
    log.breakWhen((operation) => (operation === "read" && (reads += 1) > 1 ? "hang" : undefined));
    const resuming = session.replayEventsAfter(cursor, collector());
    const refused = expect(resuming).rejects.toMatchObject({ code: "timeout" });
    await vi.waitFor(() => expect(reads).toBe(2), { interval: 1 });
    const held = put(numbered(2));
    await refused;
    expect(await held).toMatch(/^2:/);
  });

  test("that never took an append lets the resume go on without it", async () => {
    const cursor = await put(numbered(1));
    log.breakWhen((operation) => (operation === "append" ? "hang" : undefined));
    const hanging = put(numbered(2));
    const received = await replayed(cursor);
    expect(await hanging).toBe("");
    expect(messagesOf(received)).toEqual([numbered(2)]);
  });

  test("and a receiver that never takes a message fail the resume alone", async () => {
    const cursor = await put(numbered(1));
    await put(numbered(2));
    const resuming = session.replayEventsAfter(cursor, { send: () => new Promise(() => undefined) });
    await expect(resuming).rejects.toMatchObject({ code: "timeout" });
    expect(messagesOf(await replayed(cursor))).toEqual([numbered(2)]);
  });
});

describe("a log that falls behind", () => {
  test("is given no more than so many events at a time, and the rest goes out live in order", async () => {
    open({ maxPendingEventsPerStream: 5, operationTimeoutMs: 1_000 });
    const cursor = await put({});
    const ids = await Promise.all([1, 2, 3, 4, 5, 6, 7].map((number) => put(numbered(number))));
    expect(ids.map((id) => id === "")).toEqual([false, false, false, false, false, true, true]);
    expect(seen.filter(({ type }) => type === "unstored")).toMatchObject([
      { error: { code: "overloaded" } },
      { error: { code: "overloaded" } },
    ]);
    expect(messagesOf(await replayed(cursor))).toEqual([1, 2, 3, 4, 5, 6, 7].map(numbered));
  });

  test("fails a resume that would hold up too many events, and stores them", async () => {
    open({ maxPendingEventsPerStream: 5, operationTimeoutMs: 1_000 });
    const cursor = await put(numbered(0));
    await put(numbered(1));
    let arrived = (): void => undefined;
    const stuck = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    let sends = 0;
    const resuming = session.replayEventsAfter(cursor, {
      send: () => {
        sends += 1;
        if (sends < 2) return Promise.resolve();
        arrived();
        return new Promise(() => undefined);
      },
    });
    const refused = expect(resuming).rejects.toMatchObject({ code: "overloaded" });
    // Stored while the replay catches up, so that it is sent behind the gate.
    await put(numbered(2));
    await stuck;
    const storing = [3, 4, 5, 6, 7, 8].map((number) => put(numbered(number)));
    await refused;
    const ids = await Promise.all(storing);
    expect(ids.filter((id) => id !== "")).toHaveLength(5);
    expect(messagesOf(await replayed(cursor))).toEqual([1, 2, 3, 4, 5, 6, 7, 8].map(numbered));
  });
});
