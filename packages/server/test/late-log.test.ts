import { afterEach, describe, expect, test, vi } from "vitest";
import type { EventLog, Position } from "../src/log/event-log.js";
import { EventStore } from "../src/sdk/event-store.js";
import { memoryLog } from "../src/logs/memory.js";
import { GAP_METHOD } from "../src/store/messages.js";
import { pause } from "./support/caller.js";
import { FaultyLog } from "./support/faulty-log.js";
import { answer, collector, messagesOf, numbered, type Received } from "./support/messages.js";
import { SdkSession, sdks } from "./support/sdk.js";
import { SseReader } from "./support/sse.js";

/** A log that takes an append at once, and answers it when it is told to. */
class WithheldLog implements EventLog {
  readonly #log = memoryLog();
  readonly #withheld: ((settle: "answer" | "fail") => void)[] = [];
  isWithholding = false;

  async append(...args: Parameters<EventLog["append"]>): Promise<Position> {
    const position = await this.#log.append(...args);
    // The list of a session's streams goes through.
    if (!this.isWithholding || args[0].startsWith("i:")) return position;
    return new Promise((resolve, reject) => {
      this.#withheld.push((settle) =>
        settle === "answer" ? resolve(position) : reject(new Error("the storage is gone")),
      );
    });
  }

  get waiting(): number {
    return this.#withheld.length;
  }

  /** Answers what waits, the newest first. */
  release(settle: "answer" | "fail"): void {
    this.isWithholding = false;
    for (const one of this.#withheld.splice(0).reverse()) one(settle);
  }

  read: EventLog["read"] = (...args) => this.#log.read(...args);
  subscribe: EventLog["subscribe"] = (...args) => this.#log.subscribe(...args);
  end: EventLog["end"] = (stream) => this.#log.end(stream);
  delete: EventLog["delete"] = (stream) => this.#log.delete(stream);
  close: EventLog["close"] = () => this.#log.close();
}

describe("a log that answers an append after the store has given it up", () => {
  test.each(["answer", "fail"] as const)(
    "neither repeats nor loses the event (%s), nor disturbs the next ones",
    async (settle) => {
      const log = new WithheldLog();
      const store = new EventStore({ storage: log, operationTimeoutMs: 20 });
      const session = store.forSession("session");
      const cursor = await session.storeEvent("stream", {});
      log.isWithholding = true;
      expect(
        await Promise.all([1, 2].map((number) => session.storeEvent("stream", numbered(number)))),
      ).toEqual(["", ""]);
      log.release(settle);
      expect(await session.storeEvent("stream", numbered(3))).toMatch(/^4:/);
      const { received, send } = collector();
      await session.replayEventsAfter(cursor, { send });
      expect(messagesOf(received)).toEqual([1, 2, 3].map(numbered));
      await store.close();
    },
  );

  test.each(["answer", "fail"] as const)(
    "is not heard any more when the store was closed (%s)",
    async (settle) => {
      const log = new WithheldLog();
      const store = new EventStore({ storage: log, operationTimeoutMs: 20 });
      const session = store.forSession("session");
      await session.storeEvent("stream", {});
      log.isWithholding = true;
      const storing = session.storeEvent("stream", numbered(1));
      await vi.waitFor(() => expect(log.waiting).toBe(1), { interval: 1 });
      await store.close();
      expect(await storing).toBe("");
      log.release(settle);
      expect(await session.storeEvent("stream", numbered(2))).toBe("");
      expect(store.unstoredCount).toBe(2);
    },
  );

  test("makes closing wait for the answer when it comes in time", async () => {
    const log = new WithheldLog();
    const store = new EventStore({ storage: log });
    const session = store.forSession("session");
    await session.storeEvent("stream", {});
    log.isWithholding = true;
    const storing = session.storeEvent("stream", numbered(1));
    await vi.waitFor(() => expect(log.waiting).toBe(1), { interval: 1 });
    const closing = store.close();
    log.release("answer");
    await closing;
    expect(await storing).toMatch(/^2:/);
  });
});

test("an event that is in the log, though its append failed at once, does not come twice", async () => {
  const log = new WithheldLog();
  const session = new EventStore({ storage: log }).forSession("session");
  const cursor = await session.storeEvent("stream", {});
  log.isWithholding = true;
  const storing = [1, 2].map((number) => session.storeEvent("stream", numbered(number)));
  await vi.waitFor(() => expect(log.waiting).toBe(2), { interval: 1 });
  log.release("fail");
  expect(await Promise.all(storing)).toEqual(["", ""]);
  await session.storeEvent("stream", numbered(3));
  const { received, send } = collector();
  await session.replayEventsAfter(cursor, { send });
  expect(messagesOf(received)).toEqual([1, 2, 3].map(numbered));
});

test("an event that turns up in the log leaves behind the losses that were counted at it", async () => {
  const log = new WithheldLog();
  const faulty = new FaultyLog(log);
  // Room for twenty records without their messages.
  const options = { storage: faulty, operationTimeoutMs: 20, maxUnstoredPerSession: 2_000 };
  const session = new EventStore(options).forSession("session");
  const put = (from: number, to: number): Promise<string[]> => {
    const numbers = Array.from({ length: to - from + 1 }, (_, index) => from + index);
    return Promise.all(numbers.map((number) => session.storeEvent("stream", numbered(number))));
  };
  const cursor = await session.storeEvent("stream", {});
  faulty.breakWhen(() => "fail");
  await put(1, 10);
  faulty.heal();
  log.isWithholding = true;
  await put(11, 11);
  faulty.breakWhen(() => "fail");
  await put(12, 30);
  faulty.heal();
  log.release("answer");
  await put(31, 31);
  const { received, send } = collector();
  await session.replayEventsAfter(cursor, { send });
  const isGap = ({ message }: Received): boolean => message.method === GAP_METHOD;
  const missed = received.filter(isGap).map(({ message }) => (message.params as { missed: number }).missed);
  expect(messagesOf(received.filter((each) => !isGap(each)))).toEqual([11, 31].map(numbered));
  expect(missed[0]).toBe(10);
  expect(missed.reduce((sum, number) => sum + number, 0)).toBe(29);
});

describe("a log that throws instead of rejecting", () => {
  test("is one that fails: events go out live, and a resume is an error", async () => {
    const storage = memoryLog();
    const session = new EventStore({ storage }).forSession("session");
    const cursor = await session.storeEvent("stream", {});
    const thrown = (): never => {
      throw new TypeError("a bug in the log");
    };
    vi.spyOn(storage, "append").mockImplementation(thrown);
    vi.spyOn(storage, "read").mockImplementation(thrown);
    expect(await session.storeEvent("stream", numbered(1))).toBe("");
    await expect(session.getStreamIdForEventId(cursor)).rejects.toMatchObject({ code: "backend" });
    vi.restoreAllMocks();
    const { received, send } = collector();
    await session.replayEventsAfter(cursor, { send });
    expect(messagesOf(received)).toEqual([numbered(1)]);
  });
});

describe.each(sdks)("a log that was closed underneath a transport of SDK $sdk", ({ open }) => {
  let session: SdkSession | undefined;

  afterEach(() => session?.transport.close());

  test("hangs no call, and turns a resume away with a 5xx", async () => {
    const storage = memoryLog();
    session = await SdkSession.open(open, new EventStore({ storage }));
    const reader = new SseReader(await session.call(1));
    await vi.waitFor(() => expect(reader.events).toHaveLength(1));
    await storage.close();
    await session.transport.send(numbered(1), { relatedRequestId: 1 });
    await vi.waitFor(() => expect(reader.messages).toEqual([numbered(1)]));
    expect((await session.get(reader.lastEventId)).status).toBe(500);
    await session.transport.send(answer(1), { relatedRequestId: 1 });
    await reader.done;
    expect(reader.messages).toEqual([numbered(1), answer(1)]);
  });
});

describe.each(sdks)(
  "a log that still has an append to answer, under a transport of SDK $sdk,",
  ({ open }) => {
    let session: SdkSession | undefined;

    afterEach(() => session?.transport.close());

    test.each(["the store is closed", "the session is ended"])(
      "loses nothing of a call that goes on live when %s",
      async (what) => {
        const log = new WithheldLog();
        const store = new EventStore({ storage: log });
        session = await SdkSession.open(open, store);
        const reader = new SseReader(await session.call(1));
        await vi.waitFor(() => expect(reader.events).toHaveLength(1));
        log.isWithholding = true;
        const sending = [session.transport.send(numbered(1), { relatedRequestId: 1 })];
        await vi.waitFor(() => expect(log.waiting).toBe(1), { interval: 1 });
        const stopping = what === "the store is closed" ? store.close() : store.endSession(session.sessionId);
        sending.push(session.transport.send(numbered(2), { relatedRequestId: 1 }));
        // Upon its acknowledgement the SDK closes the connection.
        sending.push(session.transport.send(answer(1), { relatedRequestId: 1 }));
        await pause(5);
        log.release("answer");
        await Promise.all([...sending, stopping]);
        await reader.done;
        expect(reader.messages).toEqual([numbered(1), numbered(2), answer(1)]);
      },
    );
  },
);
