import { expect, test } from "vitest";
import type { EventLog, Position } from "../src/log/event-log.js";
import { memoryLog } from "../src/logs/memory.js";
import { EventStore } from "../src/sdk/event-store.js";
import { collector, messagesOf, numbered } from "./support/messages.js";

/** A log of somebody else's, which does some things in another way. */
function logWith(changes: Partial<EventLog>): EventLog {
  const log = memoryLog();
  return {
    append: (...args) => log.append(...args),
    read: (...args) => log.read(...args),
    subscribe: (...args) => log.subscribe(...args),
    end: (stream) => log.end(stream),
    delete: (stream) => log.delete(stream),
    close: () => log.close(),
    ...changes,
  };
}

test("a log that answers an append with nothing counts as failed, and neither hangs nor throws", async () => {
  const answersNothing = (): Promise<Position> => Promise.resolve(undefined as unknown as Position);
  const store = new EventStore({ storage: logWith({ append: answersNothing }) });
  expect(await store.forSession("session").storeEvent("stream", numbered(1))).toBe("");
  await store.close();
});

test("a log that answers an append without a promise is taken at its word", async () => {
  const answersAtOnce = (): Promise<Position> => ({ epoch: "e", seq: 1 }) as unknown as Promise<Position>;
  const store = new EventStore({ storage: logWith({ append: answersAtOnce }) });
  expect(await store.forSession("session").storeEvent("stream", numbered(1))).toBe("1:e:stream");
});

test("a page with nothing but the cursor's own event does not end a resume", async () => {
  const log = memoryLog();
  const read: EventLog["read"] = async (stream, after, limit) => {
    const page = await log.read(stream, after, limit);
    return page && { ...page, entries: page.entries.slice(0, 1) };
  };
  const append: EventLog["append"] = (...args) => log.append(...args);
  const session = new EventStore({ storage: logWith({ append, read }) }).forSession("session");
  const cursor = await session.storeEvent("stream", numbered(1));
  await session.storeEvent("stream", numbered(2));
  const { received, send } = collector();
  expect(await session.replay(cursor, send)).toEqual({ kind: "resumed", replayed: 1 });
  expect(messagesOf(received)).toEqual([numbered(2)]);
});

test("events are acknowledged in order, also when whoever observes stores one more", async () => {
  const log = memoryLog();
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  const append: EventLog["append"] = async (stream, payload, retention) => {
    const position = log.append(stream, payload, retention);
    if (payload.includes('"number":1')) await released;
    return position;
  };
  const order: number[] = [];
  const storing: Promise<unknown>[] = [];
  const put = (number: number): void =>
    void storing.push(session.storeEvent("stream", numbered(number)).then(() => order.push(number)));
  const store = new EventStore({
    storage: logWith({ append }),
    maxPendingEventsPerStream: 2,
    observe: (event) => {
      if (event.type === "stored" && event.eventId.startsWith("1:") && !storing[3]) put(4);
    },
  });
  const session = store.forSession("session");
  for (const number of [1, 2, 3]) put(number);
  release();
  await Promise.all(storing);
  await Promise.all(storing);
  expect(order).toEqual([1, 2, 3, 4]);
});
