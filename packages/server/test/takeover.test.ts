import { afterEach, describe, expect, test, vi } from "vitest";
import { EventStore } from "../src/sdk/event-store.js";
import { parseEventId } from "../src/store/event-id.js";
import { memoryLog } from "../src/logs/memory.js";
import { FaultyLog } from "./support/faulty-log.js";
import { answer, numbered } from "./support/messages.js";
import { Network } from "./support/network.js";
import { type Open, SdkSession, sdks } from "./support/sdk.js";
import { SseReader } from "./support/sse.js";

const networks: Network[] = [];
const sessions: SdkSession[] = [];

afterEach(async () => {
  await Promise.all(sessions.splice(0).map((session) => session.transport.close()));
  await Promise.all(networks.splice(0).map((network) => network.close()));
});

/** A session whose every request goes through the fault proxy, over a connection of its own. */
async function connect(
  open: Open,
  store: Parameters<typeof SdkSession.open>[1],
): Promise<{ readonly session: SdkSession; readonly network: Network }> {
  let network: Network | undefined;
  const session = await SdkSession.open(open, store, {
    over: async (handle) => {
      const opened = (network = await Network.open(handle));
      return (request) => opened.fetch(request);
    },
  });
  if (network === undefined) throw new Error("the session asked for no network");
  networks.push(network);
  sessions.push(session);
  return { session, network };
}

const numbers = (from: number, to: number): object[] =>
  Array.from({ length: to - from + 1 }, (_, index) => numbered(from + index));

describe.each(sdks)("behind a connection that goes silent, SDK $sdk", ({ open }) => {
  const kinds = [
    { kind: "a call", related: { relatedRequestId: 1 } },
    { kind: "the standalone stream", related: {} },
  ];

  test.each(kinds)("gives $kind to each new connection with a valid cursor", async ({ kind, related }) => {
    const { session, network } = await connect(open, new EventStore());
    const send = async (from: number, to: number): Promise<void> => {
      for (let number = from; number <= to; number += 1) {
        await session.transport.send(numbered(number), related);
      }
    };
    let reader = new SseReader(await (kind === "a call" ? session.call(1) : session.get()));
    await send(1, 3);
    await vi.waitFor(() => expect(reader.messages).toEqual(numbers(1, 3)));
    const silenced: SseReader[] = [];
    for (let first = 4; first < 30; first += 5) {
      silenced.push(reader);
      const { lastEventId } = reader;
      const before = reader.messages.length;
      expect(network.proxy.silenceAll()).toBeGreaterThan(0);
      // Sent while the server still believes in the connection: it is never told otherwise.
      await send(first, first + 2);
      const response = await session.get(lastEventId);
      expect(response.status).toBe(200);
      const next = new SseReader(response);
      await send(first + 3, first + 4);
      await vi.waitFor(() => expect(next.messages).toEqual(numbers(first, first + 4)));
      expect(reader.messages).toHaveLength(before);
      reader = next;
    }
    if (kind === "a call") {
      await session.transport.send(answer(1), related);
      await reader.done;
      expect(reader.messages.at(-1)).toEqual(answer(1));
    }
    expect(silenced.map(({ isDone }) => isDone)).toEqual(silenced.map(() => false));
    expect(network.proxy.counters.cut).toBe(0);
    expect(session.errors).toEqual([]);
  });

  test("would be refused with 409 by the SDK, if the store told it the stream", async () => {
    const store = new EventStore();
    const naive = {
      endSession: (id: string) => store.endSession(id),
      forSession: (id: string) => {
        const scoped = store.forSession(id);
        return {
          storeEvent: scoped.storeEvent.bind(scoped),
          replayEventsAfter: scoped.replayEventsAfter.bind(scoped),
          getStreamIdForEventId: (eventId: string) => Promise.resolve(parseEventId(eventId)?.stream),
        };
      },
    };
    const { session, network } = await connect(open, naive);
    const reader = new SseReader(await session.call(1));
    await vi.waitFor(() => expect(reader.events).toHaveLength(1));
    network.proxy.silenceAll();
    expect((await session.get(reader.lastEventId)).status).toBe(409);
  });

  test("gives a call to one of two connections that ask at once, and refuses neither", async () => {
    const { session, network } = await connect(open, new EventStore());
    const first = new SseReader(await session.call(1));
    await session.transport.send(numbered(1), { relatedRequestId: 1 });
    await vi.waitFor(() => expect(first.messages).toHaveLength(1));
    network.proxy.silenceAll();
    await session.transport.send(numbered(2), { relatedRequestId: 1 });
    const responses = await Promise.all([session.get(first.lastEventId), session.get(first.lastEventId)]);
    expect(responses.map(({ status }) => status)).toEqual([200, 200]);
    const readers = responses.map((response) => new SseReader(response));
    await session.transport.send(answer(1), { relatedRequestId: 1 });
    await Promise.all(readers.map(({ done }) => done));
    const complete = readers.filter(({ messages }) => messages.length === 2);
    expect(complete.map(({ messages }) => messages)).toContainEqual([numbered(2), answer(1)]);
    // Whoever was replaced meanwhile has the beginning, and nothing twice.
    for (const { messages } of readers) {
      expect([numbered(2), answer(1)].slice(0, messages.length)).toEqual(messages);
    }
  });

  test("ends its answer to an unknown cursor with a 4xx, and leaves the call to whoever has it", async () => {
    const store = new EventStore();
    const { session, network } = await connect(open, store);
    const { session: other } = await connect(open, store);
    const live = new SseReader(await session.call(1));
    const foreign = new SseReader(await other.call(1));
    await session.transport.send(numbered(1), { relatedRequestId: 1 });
    await vi.waitFor(() => expect(live.messages).toHaveLength(1));
    await vi.waitFor(() => expect(foreign.events).toHaveLength(1));
    const cursor = live.lastEventId;
    const unknown = [
      "garbage",
      "x".repeat(10_000),
      cursor.replace(/:.*:/, ":0000:"),
      cursor.replace(/^2/, "9"),
      `${cursor}x`,
      foreign.lastEventId,
    ];
    const refuse = async (): Promise<void> => {
      for (const id of unknown) {
        const response = await session.get(id);
        // Reading it to its end shows that it has one.
        expect(await response.text(), id).not.toBe("");
        expect([id, response.status]).toEqual([id, 400]);
      }
    };
    await refuse();
    await session.transport.send(numbered(2), { relatedRequestId: 1 });
    await vi.waitFor(() => expect(live.messages).toEqual(numbers(1, 2)));
    const { lastEventId } = live;
    network.proxy.silenceAll();
    await refuse();
    const taken = new SseReader(await session.get(lastEventId));
    await session.transport.send(answer(1), { relatedRequestId: 1 });
    await taken.done;
    expect(taken.messages).toEqual([answer(1)]);
    const finished = await session.get(taken.lastEventId);
    await finished.text();
    expect(finished.status).toBe(400);
  });

  test("answers 500 while the log fails, and gives the call over once it is back", async () => {
    const log = new FaultyLog(memoryLog());
    const { session, network } = await connect(open, new EventStore({ storage: log }));
    const first = new SseReader(await session.call(1));
    await session.transport.send(numbered(1), { relatedRequestId: 1 });
    await vi.waitFor(() => expect(first.messages).toHaveLength(1));
    network.proxy.silenceAll();
    await session.transport.send(numbered(2), { relatedRequestId: 1 });
    log.breakWhen((operation) => (operation === "read" ? "fail" : undefined));
    const failed = await session.get(first.lastEventId);
    await failed.text();
    expect(failed.status).toBe(500);
    log.heal();
    const taken = new SseReader(await session.get(first.lastEventId));
    await session.transport.send(answer(1), { relatedRequestId: 1 });
    await taken.done;
    expect(taken.messages).toEqual([numbered(2), answer(1)]);
  });
});
