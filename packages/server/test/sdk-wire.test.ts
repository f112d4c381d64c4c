import { afterEach, describe, expect, test, vi } from "vitest";
import { EventStore } from "../src/sdk/event-store.js";
import { memoryLog } from "../src/logs/memory.js";
import { GAP_METHOD } from "../src/store/messages.js";
import { FaultyLog } from "./support/faulty-log.js";
import { answer, failure, numbered } from "./support/messages.js";
import { SdkSession, sdks } from "./support/sdk.js";
import { SseReader } from "./support/sse.js";

const sessions: SdkSession[] = [];

afterEach(async () => {
  await Promise.all(sessions.splice(0).map((session) => session.transport.close()));
});

describe.each(sdks)("a transport of SDK $sdk", ({ open }) => {
  const connect = async (
    store: EventStore,
    options?: Parameters<typeof SdkSession.open>[2],
  ): Promise<SdkSession> => {
    const session = await SdkSession.open(open, store, options);
    sessions.push(session);
    return session;
  };

  test("resumes a call and goes on with it", async () => {
    const session = await connect(new EventStore());
    const first = new SseReader(await session.call(1));
    await session.transport.send(numbered(1), { relatedRequestId: 1 });
    await vi.waitFor(() => expect(first.messages).toHaveLength(1));
    const { lastEventId } = first;
    await first.close();
    await session.transport.send(numbered(2), { relatedRequestId: 1 });
    const second = new SseReader(await session.get(lastEventId));
    await session.transport.send(numbered(3), { relatedRequestId: 1 });
    await session.transport.send(answer(1), { relatedRequestId: 1 });
    await second.done;
    expect(second.messages).toEqual([numbered(2), numbered(3), answer(1)]);
    expect(session.errors).toEqual([]);
  });

  test("resumes a call from its priming event", async () => {
    const session = await connect(new EventStore());
    const first = new SseReader(await session.call(1));
    await vi.waitFor(() => expect(first.events).toHaveLength(1));
    await first.close();
    await session.transport.send(numbered(1), { relatedRequestId: 1 });
    const second = new SseReader(await session.get(first.lastEventId));
    await vi.waitFor(() => expect(second.messages).toEqual([numbered(1)]));
  });

  test("resumes the standalone stream", async () => {
    const session = await connect(new EventStore());
    const first = new SseReader(await session.get());
    await session.transport.send(numbered(1));
    await vi.waitFor(() => expect(first.messages).toHaveLength(1));
    await first.close();
    await session.transport.send(numbered(2));
    const second = new SseReader(await session.get(first.lastEventId));
    await session.transport.send(numbered(3));
    await vi.waitFor(() => expect(second.messages).toEqual([numbered(2), numbered(3)]));
  });

  test.each(["a call", "the standalone stream"])(
    "gives %s to a new connection while it still believes in the old one",
    async (which) => {
      const session = await connect(new EventStore());
      const related = which === "a call" ? { relatedRequestId: 1 } : {};
      const old = new SseReader(await (which === "a call" ? session.call(1) : session.get()));
      await session.transport.send(numbered(1), related);
      await vi.waitFor(() => expect(old.messages).toHaveLength(1));
      const { lastEventId } = old;
      old.abandon();
      await session.transport.send(numbered(2), related);
      const response = await session.get(lastEventId);
      expect(response.status).toBe(200);
      const taken = new SseReader(response);
      await old.done;
      await session.transport.send(numbered(3), related);
      await vi.waitFor(() => expect(taken.messages).toEqual([numbered(2), numbered(3)]));
    },
  );

  test("answers 400 to a cursor that is malformed, unknown, foreign or of another epoch", async () => {
    const store = new EventStore();
    const session = await connect(store);
    const other = await connect(store);
    const reader = new SseReader(await session.call(1));
    await vi.waitFor(() => expect(reader.events).toHaveLength(1));
    const id = reader.lastEventId;
    const unscoped = await store.storeEvent("stream", numbered(1));
    const inSession = await store.forSession(session.sessionId).storeEvent("stream", numbered(1));
    for (const [asked, cursor] of [
      [session, "garbage"],
      [session, "x".repeat(10_000)],
      [session, "%".repeat(50)],
      [session, id.replace(/^1/, "0")],
      [session, id.replace(/^1/, "9")],
      [session, id.replace(/:.*:/, ":0000:")],
      [session, unscoped],
      [session, `${id}x`],
      [other, id],
      [other, inSession],
      [other, "1:0000:_GET_stream"],
    ] as const) {
      const response = await asked.get(cursor);
      expect([cursor, response.status]).toEqual([cursor, 400]);
    }
    expect((await session.get(id)).status).toBe(200);
  });

  test.each([
    ["a result", answer(1)],
    ["an error", failure(1)],
  ])("gives the rest to a resume before %s, and 400 to one at it", async (_name, last) => {
    const session = await connect(new EventStore());
    const reader = new SseReader(await session.call(1));
    await session.transport.send(numbered(1), { relatedRequestId: 1 });
    await session.transport.send(last, { relatedRequestId: 1 });
    await reader.done;
    const [priming, first, final] = reader.events.map(({ id }) => id ?? "");
    const rest = new SseReader(await session.get(first));
    await vi.waitFor(() => expect(rest.messages).toEqual([last]));
    const all = new SseReader(await session.get(priming));
    await vi.waitFor(() => expect(all.messages).toEqual([numbered(1), last]));
    // 1.x leaves the connection of a finished call open; the next one closes it.
    await rest.done;
    expect((await session.get(final)).status).toBe(400);
    expect(session.errors.map(({ message }) => message)).toEqual(["Invalid event ID format"]);
  });

  test("leaves at most one connection open of all the finished calls that were resumed", async () => {
    const session = await connect(new EventStore());
    const resumed: SseReader[] = [];
    for (const id of [1, 2, 3]) {
      const call = new SseReader(await session.call(id));
      await vi.waitFor(() => expect(call.events).toHaveLength(1));
      await call.close();
      await session.transport.send(answer(id), { relatedRequestId: id });
      const reader = new SseReader(await session.get(call.lastEventId));
      await vi.waitFor(() => expect(reader.messages).toEqual([answer(id)]));
      resumed.push(reader);
    }
    await vi.waitFor(() => expect(resumed.filter(({ isDone }) => !isDone).length).toBeLessThan(2));
  });

  test("answers 400 once the stream has expired", async () => {
    let now = 0;
    const store = new EventStore({ storage: memoryLog({ now: () => now }), ttl: 10, headTtl: 20 });
    const session = await connect(store);
    const call = new SseReader(await session.call(1));
    await vi.waitFor(() => expect(call.events).toHaveLength(1));
    now += 20_000;
    expect((await session.get(call.lastEventId)).status).toBe(200);
    now += 1;
    expect((await session.get(call.lastEventId)).status).toBe(400);
  });

  test("says first how many messages are gone, and once", async () => {
    const session = await connect(new EventStore({ maxEventsPerStream: 3 }));
    const first = new SseReader(await session.call(1));
    await vi.waitFor(() => expect(first.events).toHaveLength(1));
    await first.close();
    for (let number = 1; number <= 10; number += 1) {
      await session.transport.send(numbered(number), { relatedRequestId: 1 });
    }
    const second = new SseReader(await session.get(first.lastEventId));
    const gap = { jsonrpc: "2.0", method: GAP_METHOD, params: { missed: 7, from: 2, to: 8 } };
    const rest = [numbered(8), numbered(9), numbered(10)];
    await vi.waitFor(() => expect(second.messages).toEqual([gap, ...rest]));
    await second.close();
    // Whoever has seen the gap notification and nothing else does not get it again.
    const third = new SseReader(await session.get(second.events[0]?.id));
    await vi.waitFor(() => expect(third.messages).toEqual(rest));
    await session.transport.send(answer(1), { relatedRequestId: 1 });
    await third.done;
    expect(third.messages).toEqual([...rest, answer(1)]);
  });

  test("goes on behind the gap when nothing is left of a running call", async () => {
    let now = 0;
    const store = new EventStore({ storage: memoryLog({ now: () => now }), ttl: 10 });
    const session = await connect(store);
    const first = new SseReader(await session.call(1));
    await vi.waitFor(() => expect(first.events).toHaveLength(1));
    await first.close();
    await session.transport.send(numbered(1), { relatedRequestId: 1 });
    await session.transport.send(numbered(2), { relatedRequestId: 1 });
    now += 10_001;
    const second = new SseReader(await session.get(first.lastEventId));
    await session.transport.send(answer(1), { relatedRequestId: 1 });
    await second.done;
    expect(second.messages).toEqual([
      { jsonrpc: "2.0", method: GAP_METHOD, params: { missed: 2, from: 2, to: 3 } },
      answer(1),
    ]);
  });

  test("finds no gap in a call that was merely silent for longer than events live", async () => {
    let now = 0;
    const store = new EventStore({ storage: memoryLog({ now: () => now }), ttl: 10 });
    const session = await connect(store);
    const first = new SseReader(await session.call(1));
    await session.transport.send(numbered(1), { relatedRequestId: 1 });
    await vi.waitFor(() => expect(first.messages).toHaveLength(1));
    await first.close();
    now += 60_000;
    const second = new SseReader(await session.get(first.lastEventId));
    await session.transport.send(answer(1), { relatedRequestId: 1 });
    await second.done;
    expect(second.messages).toEqual([answer(1)]);
  });

  test("answers 400 to a gap when told to refuse", async () => {
    const session = await connect(new EventStore({ maxEventsPerStream: 2, onGap: "refuse" }));
    const reader = new SseReader(await session.call(1));
    for (let number = 1; number <= 4; number += 1) {
      await session.transport.send(numbered(number), { relatedRequestId: 1 });
    }
    await vi.waitFor(() => expect(reader.messages).toHaveLength(4));
    const statuses: number[] = [];
    for (const { id } of reader.events) statuses.push((await session.get(id)).status);
    expect(statuses).toEqual([400, 400, 200, 200, 200]);
  });

  test("answers 500 while the log fails or hangs, and resumes when it is back", async () => {
    const log = new FaultyLog(memoryLog());
    const session = await connect(new EventStore({ storage: log, operationTimeoutMs: 20 }));
    const reader = new SseReader(await session.call(1));
    await vi.waitFor(() => expect(reader.events).toHaveLength(1));
    await reader.close();
    log.breakWhen((operation) => (operation === "read" ? "fail" : undefined));
    expect((await session.get(reader.lastEventId)).status).toBe(500);
    log.breakWhen((operation) => (operation === "read" ? "hang" : undefined));
    expect((await session.get(reader.lastEventId)).status).toBe(500);
    // The first read is answered, the one that finishes the replay is not.
    let reads = 0;
    log.breakWhen((operation) => (operation === "read" && (reads += 1) > 2 ? "fail" : undefined));
    expect((await session.get(reader.lastEventId)).status).toBe(500);
    log.heal();
    const resumed = new SseReader(await session.get(reader.lastEventId));
    await session.transport.send(answer(1), { relatedRequestId: 1 });
    await resumed.done;
    expect(resumed.messages).toEqual([answer(1)]);
  });

  test("sends live what cannot be stored, and hangs no call", async () => {
    const log = new FaultyLog(memoryLog());
    const store = new EventStore({ storage: log, operationTimeoutMs: 20 });
    const session = await connect(store);
    const reader = new SseReader(await session.call(1));
    await session.transport.send(numbered(1), { relatedRequestId: 1 });
    log.breakWhen(() => "fail");
    await session.transport.send(numbered(2), { relatedRequestId: 1 });
    log.breakWhen(() => "hang");
    await session.transport.send(numbered(3), { relatedRequestId: 1 });
    await session.transport.send(answer(1), { relatedRequestId: 1 });
    await reader.done;
    expect(reader.messages).toEqual([numbered(1), numbered(2), numbered(3), answer(1)]);
    expect(reader.events.slice(2).map(({ id }) => id)).toEqual([undefined, undefined, undefined]);
    expect(store.unstoredCount).toBe(3);
  });

  test("delivers at the next resume what could not be stored, in its place", async () => {
    const log = new FaultyLog(memoryLog());
    const session = await connect(new EventStore({ storage: log }));
    const reader = new SseReader(await session.call(1));
    await session.transport.send(numbered(1), { relatedRequestId: 1 });
    await vi.waitFor(() => expect(reader.messages).toHaveLength(1));
    await reader.close();
    log.breakWhen(() => "fail");
    await session.transport.send(numbered(2), { relatedRequestId: 1 });
    await session.transport.send(numbered(3), { relatedRequestId: 1 });
    log.heal();
    await session.transport.send(numbered(4), { relatedRequestId: 1 });
    const resumed = new SseReader(await session.get(reader.lastEventId));
    await vi.waitFor(() => expect(resumed.messages).toEqual([numbered(2), numbered(3), numbered(4)]));
    // Each has an id of its own, so a client that dedupes by id takes them all, and can resume from each.
    expect(new Set(resumed.events.map(({ id }) => id)).size).toBe(3);
    await resumed.close();
    const again = new SseReader(await session.get(resumed.events[0]?.id));
    await session.transport.send(answer(1), { relatedRequestId: 1 });
    await again.done;
    expect(again.messages).toEqual([numbered(3), numbered(4), answer(1)]);
  });

  test("delivers a response that could not be stored, and knows then that the call is finished", async () => {
    const log = new FaultyLog(memoryLog());
    const session = await connect(new EventStore({ storage: log }));
    const reader = new SseReader(await session.call(1));
    await vi.waitFor(() => expect(reader.events).toHaveLength(1));
    await reader.close();
    log.breakWhen(() => "fail");
    await session.transport.send(answer(1), { relatedRequestId: 1 });
    log.heal();
    const resumed = new SseReader(await session.get(reader.lastEventId));
    await vi.waitFor(() => expect(resumed.messages).toEqual([answer(1)]));
    expect((await session.get(resumed.lastEventId)).status).toBe(400);
  });

  test("deletes the session's streams when the client ends the session", async () => {
    const store = new EventStore();
    const session = await connect(store);
    const reader = new SseReader(await session.call(1));
    await vi.waitFor(() => expect(reader.events).toHaveLength(1));
    expect((await session.delete()).status).toBe(200);
    expect(await store.forSession(session.sessionId).inspect(reader.lastEventId)).toEqual({
      kind: "unknown",
      reason: "no-stream",
    });
  });

  test("resumes a batch between its responses, in the revision that has batches", async () => {
    const session = await connect(new EventStore(), { protocolVersion: "2025-03-26" });
    const batch = [1, 2].map((id) => ({ jsonrpc: "2.0", id, method: "tools/call", params: { name: "t" } }));
    const reader = new SseReader(await session.post(batch));
    await session.transport.send(answer(1), { relatedRequestId: 1 });
    await vi.waitFor(() => expect(reader.messages).toHaveLength(1));
    await reader.close();
    const resumed = new SseReader(await session.get(reader.lastEventId));
    await session.transport.send(answer(2), { relatedRequestId: 2 });
    await resumed.done;
    expect(resumed.messages).toEqual([answer(2)]);
  });

  test("is told when it was given the unscoped store", async () => {
    const store = new EventStore();
    const errors: Error[] = [];
    const mistake: unknown = store;
    const transport = await open("session", mistake as Parameters<typeof open>[1], {
      onMessage: () => undefined,
      onError: (error) => errors.push(error),
      onSessionClosed: () => Promise.resolve(),
    });
    const headers = { accept: "application/json, text/event-stream", "content-type": "application/json" };
    const params = {
      protocolVersion: "2025-11-25",
      capabilities: {},
      clientInfo: { name: "test", version: "1" },
    };
    const body = JSON.stringify({ jsonrpc: "2.0", id: 0, method: "initialize", params });
    const request = new Request("http://localhost/mcp", { method: "POST", headers, body });
    const response = await transport.handleRequest(request);
    expect(response.status).toBe(400);
    expect(await response.text()).toContain("store.forSession(sessionId)");
    expect(errors[0]).toMatchObject({ code: "unscoped" });
    await expect(transport.send(numbered(1))).rejects.toMatchObject({ code: "unscoped" });
    const resume = { accept: "text/event-stream", "mcp-session-id": "session", "last-event-id": "1:e:s" };
    const resumed = await transport.handleRequest(new Request("http://localhost/mcp", { headers: resume }));
    expect(resumed.status).toBe(500);
    expect(errors.at(-1)).toMatchObject({ code: "unscoped" });
    await transport.close();
  });
});
