import { describe, expect, test, vi } from "vitest";
import { repetitions } from "../../../test-support/repetitions.js";
import type { EventLog } from "../src/log/event-log.js";
import { EventStore } from "../src/sdk/event-store.js";
import { memoryKeyValue } from "../src/logs/key-value/memory-key-value.js";
import { memoryLog } from "../src/logs/memory.js";
import { pause } from "./support/caller.js";
import { FaultyLog } from "./support/faulty-log.js";
import { heapInUse } from "./support/heap.js";
import { answer, collector, messagesOf, numbered } from "./support/messages.js";

/** The names of all streams that a log has been given and has not deleted. */
function withNames(log: EventLog): { readonly storage: EventLog; readonly names: Set<string> } {
  const names = new Set<string>();
  const storage: EventLog = {
    append: (stream, payload, retention) => {
      names.add(stream);
      return log.append(stream, payload, retention);
    },
    read: (...args) => log.read(...args),
    subscribe: (...args) => log.subscribe(...args),
    end: (stream) => log.end(stream),
    delete: (stream) => {
      names.delete(stream);
      return log.delete(stream);
    },
    close: () => log.close(),
  };
  return { storage, names };
}

describe("ending a session", () => {
  test("deletes all its streams and nothing else", async () => {
    const { storage, names } = withNames(memoryLog());
    const store = new EventStore({ storage });
    for (const sessionId of ["a", "a:b", "b", "a%3Ab"]) {
      for (const stream of ["s", "b:s", "_GET_stream"]) {
        await store.forSession(sessionId).storeEvent(stream, null);
      }
    }
    await store.storeEvent("a:s", null);
    const before = names.size;
    await store.endSession("a");
    // Three streams and their list.
    expect(names.size).toBe(before - 4);
    expect([...names].filter((name) => name.startsWith("s:a:") || name === "i:a")).toEqual([]);
  });

  test("deletes streams that another process has written", async () => {
    const { storage, names } = withNames(memoryLog());
    const before = new EventStore({ storage }).forSession("session");
    const ids: string[] = [];
    for (let stream = 0; stream < 2_500; stream += 1) {
      ids.push(await before.storeEvent(`stream ${stream}`, numbered(stream)));
    }
    const store = new EventStore({ storage });
    await store.endSession("session");
    expect([...names]).toEqual([]);
    const session = store.forSession("session");
    for (const id of [ids[0], ids[1_000], ids[2_499]]) {
      expect(await session.inspect(id ?? "")).toEqual({ kind: "unknown", reason: "no-stream" });
    }
  });

  test("drops what the session still sends, and refuses its cursors", async () => {
    const { storage, names } = withNames(memoryLog());
    const store = new EventStore({ storage });
    const session = store.forSession("session");
    const id = await session.storeEvent("stream", null);
    const underWay = session.storeEvent("stream", numbered(1));
    await store.endSession("session");
    await underWay;
    expect(await session.storeEvent("stream", numbered(2))).toBe("");
    expect([...names]).toEqual([]);
    expect(store.unstoredCount).toBe(0);
    expect(await session.inspect(id)).toEqual({ kind: "unknown", reason: "session-ended" });
    await expect(session.replayEventsAfter(id, collector())).rejects.toMatchObject({ code: "unknown-event" });
  });

  test("leaves the name free for a new session", async () => {
    const store = new EventStore();
    await store.forSession("session").storeEvent("stream", null);
    await store.endSession("session");
    const session = store.forSession("session");
    const id = await session.storeEvent("stream", null);
    await session.storeEvent("stream", numbered(1));
    const { received, send } = collector();
    await session.replayEventsAfter(id, { send });
    expect(messagesOf(received)).toEqual([numbered(1)]);
  });

  test("can be tried again when the log failed", async () => {
    const { storage, names } = withNames(memoryLog());
    const log = new FaultyLog(storage);
    const store = new EventStore({ storage: log });
    for (const stream of ["a", "b", "c"]) await store.forSession("session").storeEvent(stream, null);
    log.breakWhen((operation, stream) =>
      operation === "delete" && stream.endsWith(":b") ? "fail" : undefined,
    );
    await expect(store.endSession("session")).rejects.toMatchObject({ code: "backend" });
    log.heal();
    await new EventStore({ storage: log }).endSession("session");
    expect([...names]).toEqual([]);
  });

  test("of a session that never was is no error", async () => {
    await new EventStore().endSession("session");
  });
});

test("a store over a key-value store finds after a restart what it had, and deletes it", async () => {
  const storage = memoryKeyValue();
  const before = new EventStore({ storage });
  const id = await before.forSession("session").storeEvent("stream", {});
  await before.forSession("session").storeEvent("stream", numbered(1));
  await before.close();
  const store = new EventStore({ storage });
  const { received, send } = collector();
  await store.forSession("session").replayEventsAfter(id, { send });
  expect(messagesOf(received)).toEqual([numbered(1)]);
  expect(await store.forSession("session").storeEvent("stream", answer(1))).toMatch(/^3:/);
  await store.endSession("session");
  expect(await store.forSession("session").inspect(id)).toEqual({ kind: "unknown", reason: "no-stream" });
});

describe("the list of a session's streams", () => {
  test("is written again for a stream that outlives its entry", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    try {
      const { storage, names } = withNames(memoryLog());
      const session = new EventStore({ storage, ttl: 60 }).forSession("session");
      for (let minute = 0; minute < 10; minute += 1) {
        await session.storeEvent("stream", numbered(minute));
        vi.advanceTimersByTime(55_000);
      }
      await new EventStore({ storage }).endSession("session");
      expect([...names]).toEqual([]);
    } finally {
      vi.useRealTimers();
    }
  });

  test("has an event before its acknowledgement, or tries again at the next", async () => {
    const { storage, names } = withNames(memoryLog());
    const log = new FaultyLog(storage);
    const session = new EventStore({ storage: log }).forSession("session");
    log.breakWhen((_operation, stream) => (stream.startsWith("i:") ? "fail" : undefined));
    expect(await session.storeEvent("stream", numbered(1))).toMatch(/^1:/);
    log.heal();
    expect(await session.storeEvent("stream", numbered(2))).toMatch(/^2:/);
    await new EventStore({ storage }).endSession("session");
    expect([...names]).toEqual([]);
  });

  test("costs one entry a stream, not one an event", async () => {
    const { storage } = withNames(memoryLog());
    const log = new FaultyLog(storage);
    const session = new EventStore({ storage: log }).forSession("session");
    for (let number = 0; number < 50; number += 1) await session.storeEvent("stream", numbered(number));
    expect(log.calls.filter((operation) => operation === "append")).toHaveLength(51);
  });
});

test("no timer outlives what it limits", async () => {
  const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
  // The test runner has one of its own for a moment after each test.
  await pause(200);
  const before = timers();
  const store = new EventStore();
  const session = store.forSession("session");
  const id = await session.storeEvent("stream", {});
  await Promise.all(
    Array.from({ length: 100 }, (_, number) => session.storeEvent("stream", numbered(number))),
  );
  await session.replayEventsAfter(id, collector());
  await store.endSession("session");
  await store.close();
  // The one that opens the gate was set before this one.
  await pause(1);
  expect(timers()).toBe(before);
});

describe("memory", () => {
  async function heapAfter(sessions: number, run: (session: number) => Promise<void>): Promise<number> {
    for (let session = 0; session < sessions; session += 1) await run(session);
    return heapInUse();
  }

  async function shortSession(store: EventStore, sessionId: string): Promise<void> {
    const session = store.forSession(sessionId);
    const id = await session.storeEvent("call", {});
    await session.storeEvent("_GET_stream", numbered(1));
    await session.getStreamIdForEventId(id);
    await session.storeEvent("call", answer(1));
  }

  const many = repetitions({ full: 100_000, scaled: 10_000 });

  test(`is where it was after ${many} short sessions`, async () => {
    const store = new EventStore();
    const run = async (session: number): Promise<void> => {
      await shortSession(store, `session ${session}`);
      await store.endSession(`session ${session}`);
    };
    const before = await heapAfter(1_000, run);
    const after = await heapAfter(many, run);
    expect(after - before).toBeLessThan(400_000);
  });

  test("of sessions that nobody ends is given back with their transports", async () => {
    // A log that keeps nothing, so that what grows is the store's own.
    const log = memoryLog({ maxTotalBytes: 1_000_000 });
    const store = new EventStore({ storage: log });
    const run = (session: number): Promise<void> => shortSession(store, `session ${session}`);
    const before = await heapAfter(2_000, run);
    const after = await heapAfter(many, run);
    expect(after - before).toBeLessThan(400_000);
  });

  test("of a long session does not grow with its calls", async () => {
    const store = new EventStore({ storage: memoryLog({ maxTotalBytes: 1_000_000 }) });
    const session = store.forSession("session");
    const run = async (call: number): Promise<void> => {
      await session.storeEvent(`call ${call}`, {});
      // Every other call is cancelled: no response ever ends its stream.
      if (call % 2 === 0) await session.storeEvent(`call ${call}`, answer(call));
    };
    const before = await heapAfter(3_000, run);
    const after = await heapAfter(many, run);
    expect(after - before).toBeLessThan(400_000);
  });
});
