import { beforeEach, describe, expect, test } from "vitest";
import { memoryLog } from "../src/logs/memory.js";
import { EventStore } from "../src/sdk/event-store.js";
import { GAP_METHOD } from "../src/store/messages.js";
import type { EventStoreOptions } from "../src/store/options.js";
import { FaultyLog } from "./support/faulty-log.js";
import { heapInUse } from "./support/heap.js";
import { answer, collector, messagesOf, numbered } from "./support/messages.js";

let log: FaultyLog;
let store: EventStore;

function open(options: EventStoreOptions = {}): void {
  log = new FaultyLog(memoryLog());
  store = new EventStore({ storage: log, ...options });
}

beforeEach(() => open());

/** Lets go of everything that nothing holds. */
const collectGarbage = (): Promise<number> => heapInUse();

/** A session of which nobody keeps anything but its cursor: messages of it could not be stored. */
async function interrupted(sessionId: string, messages: readonly object[]): Promise<string> {
  const cursor = await store.forSession(sessionId).storeEvent("stream", {});
  log.breakWhen(() => "fail");
  for (const message of messages) await store.forSession(sessionId).storeEvent("stream", message);
  log.heal();
  return cursor;
}

async function resumed(sessionId: string, cursor: string): Promise<object[]> {
  const { received, send } = collector();
  await store.forSession(sessionId).replayEventsAfter(cursor, { send });
  return messagesOf(received);
}

const gap = (missed: number): object => ({
  jsonrpc: "2.0",
  method: GAP_METHOD,
  params: { missed, from: 2, to: 1 },
});

describe("a message that could not be stored", () => {
  test("outlives the transport of its session", async () => {
    const cursor = await interrupted("session", [numbered(1), answer(1)]);
    await collectGarbage();
    expect(await resumed("session", cursor)).toEqual([numbered(1), answer(1)]);
  });

  test("is forgotten with its session", async () => {
    const cursor = await interrupted("session", [numbered(1)]);
    await store.endSession("session");
    await collectGarbage();
    await expect(resumed("session", cursor)).rejects.toMatchObject({ code: "unknown-event" });
  });

  test("is given back when it turns out to be in the log, so that the session can be let go", async () => {
    open({ operationTimeoutMs: 20, maxUnstoredSessions: 1 });
    const cursor = await interrupted("kept", [numbered(1)]);
    // The log takes the second session's event and never says so: found at the resume.
    const other = await store.forSession("other").storeEvent("stream", {});
    log.breakWhen((_operation, stream) => (stream.startsWith("s:") ? "hang-after" : undefined));
    await store.forSession("other").storeEvent("stream", numbered(2));
    log.heal();
    expect(await resumed("other", other)).toEqual([numbered(2)]);
    expect(await resumed("kept", cursor)).toEqual([gap(1)]);
  });
});

describe("a session", () => {
  test("keeps its one scope while a transport holds it: what it stores after its end is dropped", async () => {
    const held = store.forSession("session");
    await held.storeEvent("stream", {});
    await collectGarbage();
    await store.endSession("session");
    expect(await held.storeEvent("stream", numbered(1))).toBe("");
    expect(await new EventStore({ storage: log }).forSession("session").inspect("1:0:stream")).toMatchObject({
      reason: "no-stream",
    });
  });
});

describe("when too many sessions have messages that could not be stored", () => {
  const messages = [1, 2, 3].map(numbered);

  test.each(["held", "not held"])("the first of them (%s) shows a gap with their number", async (how) => {
    open({ maxUnstoredSessions: 2 });
    const held = how === "held" ? store.forSession("a") : undefined;
    const cursors: string[] = [];
    for (const sessionId of ["a", "b", "c"]) cursors.push(await interrupted(sessionId, messages));
    await collectGarbage();
    expect(await store.forSession("a").inspect(cursors[0] ?? "")).toMatchObject({ kind: "gap", missed: 3 });
    expect(await resumed("a", cursors[0] ?? "")).toEqual([gap(3)]);
    expect(await resumed("b", cursors[1] ?? "")).toEqual(messages);
    expect(await resumed("c", cursors[2] ?? "")).toEqual(messages);
    expect(held?.sessionId ?? "a").toBe("a");
  });

  test("its gap has its place before what is stored later", async () => {
    open({ maxUnstoredSessions: 1 });
    const cursor = await interrupted("a", messages);
    await store.forSession("a").storeEvent("stream", numbered(4));
    await interrupted("b", messages);
    await collectGarbage();
    expect(await resumed("a", cursor)).toEqual([gap(3), numbered(4)]);
  });

  test("losses at different places of a stream are told at each", async () => {
    open({ maxUnstoredSessions: 1 });
    const cursor = await interrupted("a", [numbered(1), numbered(2)]);
    const second = await store.forSession("a").storeEvent("stream", numbered(3));
    log.breakWhen(() => "fail");
    await store.forSession("a").storeEvent("stream", numbered(4));
    log.heal();
    await interrupted("b", messages);
    const missed = async (from: string): Promise<number[]> =>
      (await resumed("a", from)).flatMap((message) =>
        "params" in message && "missed" in (message.params as object)
          ? [(message.params as { missed: number }).missed]
          : [],
      );
    expect(await missed(cursor)).toEqual([2, 1]);
    expect(await missed(second)).toEqual([1]);
  });

  test("a client that has seen some of them already is told of the others alone", async () => {
    open({ maxUnstoredSessions: 1 });
    const cursor = await interrupted("a", messages);
    const { received, send } = collector();
    await store.forSession("a").replayEventsAfter(cursor, { send });
    await interrupted("b", messages);
    const second = received[1]?.id ?? "";
    expect(await store.forSession("a").inspect(second)).toMatchObject({ kind: "gap", missed: 1 });
    expect(await resumed("a", second)).toEqual([gap(1)]);
  });

  test("a final response that was given up still ends its stream", async () => {
    open({ maxUnstoredSessions: 1 });
    const cursor = await interrupted("a", [numbered(1), answer(1)]);
    await interrupted("b", messages);
    await collectGarbage();
    const { received, send } = collector();
    await store.forSession("a").replayEventsAfter(cursor, { send });
    const missed = received.map(({ message }) => (message.params as { missed: number }).missed);
    expect(missed.reduce((sum, number) => sum + number, 0)).toBe(2);
    expect(await store.forSession("a").inspect(received.at(-1)?.id ?? "")).toEqual({ kind: "finished" });
  });

  test("and too many losses are counted, the first are forgotten, as after a restart", async () => {
    open({ maxUnstoredSessions: 1 });
    const cursor = await interrupted("first", messages);
    const second = await interrupted("second", messages);
    for (let session = 0; session < 10; session += 1) await interrupted(`session ${session}`, messages);
    await collectGarbage();
    expect(await resumed("first", cursor)).toEqual([]);
    expect(await resumed("second", second)).toEqual([gap(3)]);
  });
});

describe("when all messages that could not be stored take too much memory", () => {
  const large = (number: number): object => ({ ...numbered(number), params: { text: "x".repeat(1_000) } });

  test("the session that has waited for longest shows a gap with their number", async () => {
    open({ maxUnstoredTotal: 5_000 });
    const first = await interrupted("first", [large(1), large(2)]);
    const second = await interrupted("second", [large(1), large(2)]);
    await store.forSession("third").storeEvent("stream", numbered(1));
    const third = await interrupted("third", [large(1)]);
    await collectGarbage();
    expect(await resumed("first", first)).toEqual([gap(2)]);
    expect(await resumed("second", second)).toEqual([large(1), large(2)]);
    expect(await resumed("third", third)).toEqual([large(1)]);
  });

  test("so much is held and no more, however many sessions there are", async () => {
    open({ maxUnstoredTotal: 1_000_000, maxUnstoredSessions: 10_000 });
    const before = await heapInUse();
    for (let session = 0; session < 2_000; session += 1) {
      await store.forSession(`session ${session}`).storeEvent("stream", {});
      log.breakWhen(() => "fail");
      await store.forSession(`session ${session}`).storeEvent("stream", {
        ...numbered(session),
        params: { text: `${session}`.padEnd(5_000, "x") },
      });
      log.heal();
    }
    expect((await heapInUse()) - before).toBeLessThan(25_000_000);
  });

  test("counts of what was given up leave room for messages to come", async () => {
    const kept: boolean[] = [];
    open({
      maxUnstoredTotal: 2_000,
      observe: (event) => {
        if (event.type === "unstored") kept.push(event.kept);
      },
    });
    log.breakWhen((_operation, stream) => (stream.startsWith("s:") ? "fail" : undefined));
    for (let session = 0; session < 60; session += 1)
      await store.forSession(`session ${session}`).storeEvent("stream", numbered(session));
    expect(kept).toEqual(Array.from({ length: 60 }, () => true));
  });

  test("sessions are kept without their streams for which nothing waits", async () => {
    const heapOf = async (isBroken: boolean): Promise<number> => {
      open();
      const before = await heapInUse();
      for (let session = 0; session < 10; session += 1) {
        const events = store.forSession(`session ${session}`);
        const result = { protocolVersion: "2025-03-26", capabilities: {} };
        await events.storeEvent("first", { jsonrpc: "2.0", id: 0, result });
        // In that revision a response does not end its stream, which is remembered.
        for (let call = 0; call < 500; call += 1) await events.storeEvent(`call ${call}`, answer(call));
        if (isBroken) log.breakWhen(() => "fail");
        await events.storeEvent("stream", numbered(1));
        log.heal();
      }
      return (await heapInUse()) - before;
    };
    const ordinary = await heapOf(false);
    expect((await heapOf(true)) - ordinary).toBeLessThan(2_000_000);
  });
});
