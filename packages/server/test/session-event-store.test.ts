import { describe, expect, test } from "vitest";
import type { EventLog } from "../src/log/event-log.js";
import { EventStore } from "../src/sdk/event-store.js";
import { memoryLog } from "../src/logs/memory.js";
import type { ReplayOutcome } from "../src/store/resume-verdict.js";
import { pause } from "./support/caller.js";
import { answer, collector, failure, messagesOf, numbered } from "./support/messages.js";

describe("the event store of a session", () => {
  test("has ids that name position, epoch and stream, and take {} for a priming event", async () => {
    const session = new EventStore().forSession("session");
    const priming = await session.storeEvent("a b", {});
    expect(priming).toMatch(/^1:[0-9a-f]+:a%20b$/);
    await session.storeEvent("a b", null);
    await session.storeEvent("a b", numbered(1));
    const { received, send } = collector();
    expect(await session.replayEventsAfter(priming, { send })).toBe("a b");
    expect(messagesOf(received)).toEqual([numbered(1)]);
    expect(received[0]?.id).toMatch(/^3:/);
  });

  test("shares its state among all that were given out in the process", async () => {
    const store = new EventStore();
    const id = await store.forSession("session").storeEvent("stream", null);
    let open = (): void => undefined;
    const replaying = store.forSession("session").replayEventsAfter(id, {
      send: () =>
        new Promise((resolve) => {
          open = resolve;
        }),
    });
    await store.forSession("session").storeEvent("stream", numbered(1));
    await pause(5);
    let isStored = false;
    const storing = store
      .forSession("session")
      .storeEvent("stream", numbered(2))
      .then(() => {
        isStored = true;
      });
    await pause(5);
    expect(isStored).toBe(false);
    open();
    await Promise.all([replaying, storing]);
  });

  test("acknowledges in the order of the calls, though the log answers in any order", async () => {
    const log = memoryLog();
    const delays = [20, 0, 10, 0, 5];
    const shuffling: EventLog = {
      append: async (...args) => {
        const position = await log.append(...args);
        if (args[0].startsWith("s:")) await pause(delays[position.seq - 1] ?? 0);
        return position;
      },
      read: (...args) => log.read(...args),
      subscribe: (...args) => log.subscribe(...args),
      end: (stream) => log.end(stream),
      delete: (stream) => log.delete(stream),
      close: () => log.close(),
    };
    const session = new EventStore({ storage: shuffling }).forSession("session");
    const given: number[] = [];
    await Promise.all(
      delays.map((_, index) =>
        session.storeEvent("stream", numbered(index)).then((id) => given.push(Number.parseInt(id))),
      ),
    );
    expect(given).toEqual([1, 2, 3, 4, 5]);
  });

  test("hands events to the log at once, many at a time", async () => {
    const log = memoryLog();
    let underWay = 0;
    let most = 0;
    const counting: EventLog = {
      append: async (...args) => {
        most = Math.max(most, (underWay += 1));
        const position = await log.append(...args);
        await pause(2);
        underWay -= 1;
        return position;
      },
      read: (...args) => log.read(...args),
      subscribe: (...args) => log.subscribe(...args),
      end: (stream) => log.end(stream),
      delete: (stream) => log.delete(stream),
      close: () => log.close(),
    };
    const session = new EventStore({ storage: counting }).forSession("session");
    const storing = Array.from({ length: 20 }, (_, index) => session.storeEvent("stream", numbered(index)));
    // And one for the list of the session's streams.
    expect(most).toBe(21);
    await Promise.all(storing);
  });

  test("refuses a stream id that is too long, and a message that is no JSON", async () => {
    const session = new EventStore().forSession("session");
    await expect(session.storeEvent("s".repeat(4_096), null)).rejects.toMatchObject({
      code: "invalid-stream",
    });
    await expect(session.storeEvent("stream", { big: 1n })).rejects.toMatchObject({
      code: "invalid-message",
    });
  });
});

describe("what a resume comes to", () => {
  interface Case {
    readonly name: string;
    /** Stores, and returns the cursor. */
    readonly given: (store: EventStore, tick: (seconds: number) => void) => Promise<string>;
    readonly outcome: ReplayOutcome;
    readonly sent?: object[];
  }
  const session = (store: EventStore): ReturnType<EventStore["forSession"]> => store.forSession("session");
  const fill = async (store: EventStore, stream: string, messages: object[]): Promise<string[]> => {
    const ids: string[] = [];
    for (const message of messages) ids.push(await session(store).storeEvent(stream, message));
    return ids;
  };
  const first = (ids: string[]): string => ids[0] ?? "";
  const last = (ids: string[]): string => ids.at(-1) ?? "";
  const gap = (missed: number, from: number, to: number): object => ({
    jsonrpc: "2.0",
    method: "notifications/resumable-mcp/gap",
    params: { missed, from, to },
  });

  const cases: Case[] = [
    {
      name: "the rest",
      given: async (store) => first(await fill(store, "s", [{}, numbered(1), numbered(2)])),
      outcome: { kind: "resumed", replayed: 2 },
      sent: [numbered(1), numbered(2)],
    },
    {
      name: "nothing yet, at the head",
      given: async (store) => last(await fill(store, "s", [{}, numbered(1)])),
      outcome: { kind: "resumed", replayed: 0 },
    },
    {
      name: "the rest with the final response",
      given: async (store) => first(await fill(store, "s", [{}, answer(1)])),
      outcome: { kind: "resumed", replayed: 1 },
      sent: [answer(1)],
    },
    {
      name: "finished, at the final result",
      given: async (store) => last(await fill(store, "s", [{}, answer(1)])),
      outcome: { kind: "finished" },
    },
    {
      name: "finished, at the final error",
      given: async (store) => last(await fill(store, "s", [{}, failure(1)])),
      outcome: { kind: "finished" },
    },
    {
      name: "no end of the standalone stream",
      given: async (store) => last(await fill(store, "_GET_stream", [answer(1)])),
      outcome: { kind: "resumed", replayed: 0 },
    },
    {
      name: "a gap, and the rest",
      given: async (store) => first(await fill(store, "s", [{}, 1, 2, 3, 4, 5, 6].map(asMessage))),
      outcome: { kind: "gap", missed: 2, from: 2, to: 3, replayed: 4 },
      sent: [gap(2, 2, 3), numbered(3), numbered(4), numbered(5), numbered(6)],
    },
    {
      name: "a gap, and the final response behind it",
      given: async (store) =>
        first(await fill(store, "s", [...[{}, 1, 2, 3, 4, 5].map(asMessage), answer(1)])),
      outcome: { kind: "gap", missed: 2, from: 2, to: 3, replayed: 4 },
      sent: [gap(2, 2, 3), numbered(3), numbered(4), numbered(5), answer(1)],
    },
    {
      name: "a gap of all that came, while the call runs",
      given: async (store, tick) => {
        const ids = await fill(store, "s", [{}, numbered(1), numbered(2)]);
        tick(11);
        return first(ids);
      },
      outcome: { kind: "gap", missed: 2, from: 2, to: 3, replayed: 0 },
      sent: [gap(2, 2, 3)],
    },
    {
      name: "no gap after a silence longer than events live",
      given: async (store, tick) => {
        const ids = await fill(store, "s", [{}, numbered(1)]);
        tick(60);
        return last(ids);
      },
      outcome: { kind: "resumed", replayed: 0 },
    },
    {
      name: "unknown, when the head has expired too",
      given: async (store, tick) => {
        const ids = await fill(store, "s", [{}, numbered(1)]);
        tick(101);
        return last(ids);
      },
      outcome: { kind: "unknown", reason: "no-stream" },
    },
    {
      name: "unknown, when the final response has expired",
      given: async (store, tick) => {
        const ids = await fill(store, "s", [{}, answer(1)]);
        tick(11);
        return first(ids);
      },
      outcome: { kind: "unknown", reason: "no-stream" },
    },
    {
      name: "unknown, when the final response was too large to be kept",
      given: async (store) => {
        const result = { text: "x".repeat(2_000) };
        return first(await fill(store, "s", [{}, { jsonrpc: "2.0", id: 1, result }]));
      },
      outcome: { kind: "unknown", reason: "nothing-left" },
    },
    {
      name: "unknown, after the stream was started anew",
      given: async (store, tick) => {
        const ids = await fill(store, "s", [{}]);
        tick(101);
        await fill(store, "s", [{}, numbered(1)]);
        return first(ids);
      },
      outcome: { kind: "unknown", reason: "other-epoch" },
    },
    {
      name: "unknown, for another session's stream",
      given: (store) => store.forSession("other").storeEvent("s", {}),
      outcome: { kind: "unknown", reason: "no-stream" },
    },
    {
      name: "unknown, for a stream of no session",
      given: (store) => store.storeEvent("s", null),
      outcome: { kind: "unknown", reason: "no-stream" },
    },
    {
      name: "unknown, ahead of the head",
      given: async (store) => first(await fill(store, "s", [{}])).replace(/^1/, "2"),
      outcome: { kind: "unknown", reason: "ahead" },
    },
    {
      name: "unknown, for garbage",
      given: () => Promise.resolve("1:2"),
      outcome: { kind: "unknown", reason: "malformed" },
    },
  ];

  test.each(cases)("$name", async ({ given, outcome, sent = [] }) => {
    let now = 1_000;
    const store = new EventStore({
      storage: memoryLog({ now: () => now }),
      maxEventsPerStream: 4,
      maxBytesPerStream: 1_000,
      ttl: 10,
      headTtl: 100,
    });
    const cursor = await given(store, (seconds) => {
      now += seconds * 1_000;
    });
    const { received, send } = collector();
    const isSent = "replayed" in outcome;
    expect(await session(store).inspect(cursor)).toEqual(isSent ? { ...outcome, replayed: 0 } : outcome);
    expect((await session(store).getStreamIdForEventId(cursor)) !== undefined).toBe(isSent);
    expect(await session(store).replay(cursor, send)).toEqual(outcome);
    expect(messagesOf(received)).toEqual(sent);
    if (isSent) {
      await session(store).replayEventsAfter(cursor, collector());
    } else {
      const code = outcome.kind === "finished" ? "finished" : "unknown-event";
      await expect(session(store).replayEventsAfter(cursor, collector())).rejects.toMatchObject({ code });
    }
  });

  test("never is a live stream's own id, so that the SDK finds no conflict", async () => {
    const store = new EventStore();
    for (const stream of ["_GET_stream", crypto.randomUUID()]) {
      const id = await session(store).storeEvent(stream, null);
      expect(await session(store).getStreamIdForEventId(id)).not.toBe(stream);
    }
  });

  test("is a refusal of every gap, when told to refuse", async () => {
    const store = new EventStore({ maxEventsPerStream: 2, onGap: "refuse" });
    const ids = await fill(store, "s", [1, 2, 3, 4].map(asMessage));
    const { received, send } = collector();
    expect(await session(store).replay(first(ids), send)).toEqual({ kind: "unknown", reason: "gap" });
    expect(await session(store).replay(ids[1] ?? "", send)).toEqual({ kind: "resumed", replayed: 2 });
    expect(received).toHaveLength(2);
  });

  test("is a gap too where retention drops events in the middle of the replay", async () => {
    const store = new EventStore({ maxEventsPerStream: 6, replayPageSize: 2 });
    const ids = await fill(store, "s", [1, 2, 3, 4, 5, 6].map(asMessage));
    const { received, send } = collector();
    const outcome = await session(store).replay(first(ids), async (id, message) => {
      if (received.length === 0) await fill(store, "s", [7, 8, 9, 10].map(asMessage));
      await send(id, message);
    });
    const numbers = [numbered(2), numbered(3), gap(1, 4, 4), ...[5, 6, 7, 8, 9, 10].map(numbered)];
    expect(messagesOf(received)).toEqual(numbers);
    expect(outcome).toEqual({ kind: "gap", missed: 1, from: 4, to: 4, replayed: 8 });
  });

  test("is one gap where retention drops all that the replay was to bring, and more came behind it", async () => {
    const store = new EventStore({ maxEventsPerStream: 6, replayPageSize: 2 });
    const ids = await fill(store, "s", [1, 2, 3, 4, 5, 6].map(asMessage));
    const { received, send } = collector();
    const later = Array.from({ length: 12 }, (_, index) => 7 + index);
    const outcome = await session(store).replay(first(ids), async (id, message) => {
      if (received.length === 0) await fill(store, "s", later.map(asMessage));
      await send(id, message);
    });
    const rest = [13, 14, 15, 16, 17, 18].map(numbered);
    expect(messagesOf(received)).toEqual([numbered(2), numbered(3), gap(9, 4, 12), ...rest]);
    expect(outcome).toEqual({ kind: "gap", missed: 9, from: 4, to: 12, replayed: 8 });
  });

  test("is one gap where all expires in the middle of the replay, what came meanwhile too", async () => {
    let now = 0;
    const storage = memoryLog({ now: () => now });
    const store = new EventStore({ storage, ttl: 10, replayPageSize: 2 });
    const ids = await fill(store, "s", [1, 2, 3, 4, 5, 6].map(asMessage));
    const { received, send } = collector();
    const outcome = await session(store).replay(first(ids), async (id, message) => {
      if (received.length === 0) {
        await fill(store, "s", [7, 8].map(asMessage));
        now += 11_000;
      }
      await send(id, message);
    });
    expect(messagesOf(received)).toEqual([numbered(2), numbered(3), gap(5, 4, 8)]);
    expect(outcome).toEqual({ kind: "gap", missed: 5, from: 4, to: 8, replayed: 2 });
  });

  test("survives a restart", async () => {
    const storage = memoryLog();
    const before = new EventStore({ storage });
    const ids = await fill(before, "s", [{}, numbered(1), numbered(2)]);
    await before.close();
    const { received, send } = collector();
    await session(new EventStore({ storage })).replayEventsAfter(first(ids), { send });
    expect(messagesOf(received)).toEqual([numbered(1), numbered(2)]);
  });

  test("is finished after a crash between the final response and the end of its stream", async () => {
    const log = memoryLog();
    const storage: EventLog = {
      append: (...args) => log.append(...args),
      read: (...args) => log.read(...args),
      subscribe: (...args) => log.subscribe(...args),
      end: () => new Promise(() => undefined),
      delete: (stream) => log.delete(stream),
      close: () => log.close(),
    };
    const ids = await fill(new EventStore({ storage }), "s", [{}, answer(1)]);
    const after = new EventStore({ storage: log }).forSession("session");
    expect(await after.inspect(last(ids))).toEqual({ kind: "finished" });
    expect(await after.inspect(first(ids))).toEqual({ kind: "resumed", replayed: 0 });
  });
});

function asMessage(value: object | number): object {
  return typeof value === "number" ? numbered(value) : value;
}
