import { describe, expect, test } from "vitest";
import type { EventLog } from "../src/log/event-log.js";
import { EventStore } from "../src/sdk/event-store.js";
import { memoryLog } from "../src/logs/memory.js";
import { FaultyLog } from "./support/faulty-log.js";
import { collector, messagesOf, numbered } from "./support/messages.js";

describe("an unscoped store", () => {
  test("replays what came after an event, in order, and names the stream", async () => {
    const store = new EventStore();
    const first = await store.storeEvent("stream", numbered(1));
    const second = await store.storeEvent("stream", numbered(2));
    const third = await store.storeEvent("stream", numbered(3));
    const { received, send } = collector();
    expect(await store.replayEventsAfter(first, send)).toBe("stream");
    expect(received).toEqual([
      { id: second, message: numbered(2) },
      { id: third, message: numbered(3) },
    ]);
  });

  test("keeps streams apart, whatever their names", async () => {
    const store = new EventStore();
    const names = ["", "a", "a:b", "a%3Ab", "b", "s:a:b", "u:a", "é", "\u{1F600}", "\uD83D", "../a", "A"];
    const ids = new Map<string, string>();
    for (const name of names) ids.set(name, await store.storeEvent(name, null));
    for (const [index, name] of names.entries()) await store.storeEvent(name, numbered(index));
    for (const [index, name] of names.entries()) {
      const { received, send } = collector();
      expect(await store.replayEventsAfter(ids.get(name)!, send)).toBe(name);
      expect(messagesOf(received)).toEqual([numbered(index)]);
    }
  });

  test("gives a priming event an id to resume from, and never replays it", async () => {
    const store = new EventStore();
    const priming = await store.storeEvent("stream", null);
    await store.storeEvent("stream", numbered(1));
    await store.storeEvent("stream", null);
    await store.storeEvent("stream", numbered(2));
    const { received, send } = collector();
    await store.replayEventsAfter(priming, send);
    expect(messagesOf(received)).toEqual([numbered(1), numbered(2)]);
  });

  test("reads long streams page by page", async () => {
    const store = new EventStore({ maxEventsPerStream: null, replayPageSize: 7 });
    const first = await store.storeEvent("stream", null);
    const messages = Array.from({ length: 50 }, (_, index) => numbered(index));
    for (const message of messages) await store.storeEvent("stream", message);
    const { received, send } = collector();
    expect(await store.replay(first, send)).toEqual({ kind: "resumed", replayed: 50 });
    expect(messagesOf(received)).toEqual(messages);
  });

  test("says what cannot be resumed, and sends nothing", async () => {
    const store = new EventStore();
    const id = await store.storeEvent("stream", numbered(1));
    const { received, send } = collector();
    for (const [text, reason] of [
      ["garbage", "malformed"],
      ["x".repeat(100_000), "malformed"],
      [id.replace("stream", "other"), "no-stream"],
      [id.replace(/:.*:/, ":0000:"), "other-epoch"],
      [id.replace(/^1/, "2"), "ahead"],
      [`1:e:${"s".repeat(4_096)}`, "malformed"],
    ] as const) {
      expect(await store.replay(text, send)).toEqual({ kind: "unknown", reason });
      expect(await store.inspect(text)).toEqual({ kind: "unknown", reason });
      expect(await store.replayEventsAfter(text, send)).toBeUndefined();
    }
    expect(received).toEqual([]);
  });

  test("throws when its log fails, and when it does not answer in time", async () => {
    const log = new FaultyLog(memoryLog());
    const store = new EventStore({ storage: log, operationTimeoutMs: 20 });
    const id = await store.storeEvent("stream", numbered(1));
    log.breakWhen(() => "fail");
    await expect(store.storeEvent("stream", numbered(2))).rejects.toMatchObject({ code: "backend" });
    await expect(store.replay(id, () => undefined)).rejects.toMatchObject({ code: "backend" });
    log.breakWhen(() => "hang");
    await expect(store.storeEvent("stream", numbered(2))).rejects.toMatchObject({
      code: "timeout",
      mayHaveHappened: true,
    });
    await expect(store.inspect(id)).rejects.toMatchObject({ code: "timeout" });
    log.heal();
    await store.storeEvent("stream", numbered(3));
    const { received, send } = collector();
    await store.replayEventsAfter(id, send);
    expect(messagesOf(received)).toEqual([numbered(3)]);
  });

  test("gives ids in the order of the calls, though the log answers in any order", async () => {
    const log = memoryLog();
    const delays = [30, 0, 20, 0, 10];
    const shuffling: EventLog = {
      append: async (...args) => {
        const position = await log.append(...args);
        await new Promise((resolve) => setTimeout(resolve, delays[position.seq - 1]));
        return position;
      },
      read: (...args) => log.read(...args),
      subscribe: (...args) => log.subscribe(...args),
      end: (stream) => log.end(stream),
      delete: (stream) => log.delete(stream),
      close: () => log.close(),
    };
    const store = new EventStore({ storage: shuffling });
    const given: string[] = [];
    await Promise.all(
      delays.map((_, index) => store.storeEvent("stream", numbered(index)).then((id) => given.push(id))),
    );
    expect(given.map((id) => Number(id.split(":")[0]))).toEqual([1, 2, 3, 4, 5]);
  });

  test("refuses a message that is no JSON, and one too large", async () => {
    const store = new EventStore({ storage: memoryLog({ maxPayloadBytes: 200 }) });
    const circular: Record<string, unknown> = {};
    circular.self = circular;
    await expect(
      store.storeEvent("stream", { jsonrpc: "2.0", method: "m", params: circular }),
    ).rejects.toMatchObject({ code: "invalid-message" });
    await expect(
      store.storeEvent("stream", { jsonrpc: "2.0", method: "x".repeat(200) }),
    ).rejects.toMatchObject({ code: "payload-too-large" });
    await expect(store.storeEvent("s".repeat(5_000), null)).rejects.toMatchObject({ code: "invalid-stream" });
  });
});

describe("closing a store", () => {
  test("waits for what is under way, and refuses the rest", async () => {
    const store = new EventStore();
    const storing = store.storeEvent("stream", numbered(1));
    await store.close();
    const id = await storing;
    await expect(store.storeEvent("stream", numbered(2))).rejects.toMatchObject({ code: "closed" });
    await expect(store.inspect(id)).rejects.toMatchObject({ code: "closed" });
    await expect(store.endSession("session")).rejects.toMatchObject({ code: "closed" });
    expect(() => store.forSession("session")).toThrow(expect.objectContaining({ code: "closed" }));
    await store.close();
  });

  test("leaves a log open that was handed in", async () => {
    const log = memoryLog();
    await new EventStore({ storage: log }).close();
    const retention = { maxEvents: null, maxBytes: null, ttlMs: null, headTtlMs: null };
    expect(await log.append("stream", "payload", retention)).toMatchObject({ seq: 1 });
  });

  test("does not wait for ever for a log that hangs", async () => {
    const log = new FaultyLog(memoryLog());
    const store = new EventStore({ storage: log, operationTimeoutMs: 20 });
    log.breakWhen(() => "hang");
    const storing = store.storeEvent("stream", numbered(1)).catch(() => "failed");
    await store.close();
    expect(await storing).toBe("failed");
  });

  test("lets a session go on live, without ids", async () => {
    const store = new EventStore();
    const session = store.forSession("session");
    const id = await session.storeEvent("stream", numbered(1));
    await store.close();
    expect(await session.storeEvent("stream", numbered(2))).toBe("");
    expect(store.unstoredCount).toBe(1);
    await expect(session.getStreamIdForEventId(id)).rejects.toMatchObject({ code: "closed" });
  });
});

describe("a session id", () => {
  test.each([
    ["empty", ""],
    ["too long", "x".repeat(4_096)],
    ["too long when encoded", "é".repeat(700)],
    ["so long that none of its calls could be stored", "x".repeat(4_080)],
  ])("that is %s is refused", async (_name, sessionId) => {
    const store = new EventStore();
    expect(() => store.forSession(sessionId)).toThrow(expect.objectContaining({ code: "invalid-stream" }));
    await expect(store.endSession(sessionId)).rejects.toMatchObject({ code: "invalid-stream" });
  });

  test("that is not there yet is refused, with what to do", () => {
    const transport: { sessionId?: string } = {};
    const store = new EventStore();
    // @ts-expect-error -- the transport's id is undefined until it is initialized
    expect(() => store.forSession(transport.sessionId)).toThrow(/sessionIdGenerator/);
  });
});
