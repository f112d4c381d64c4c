import type { EventStore as EventStoreV1 } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import type { EventStore as EventStoreV2 } from "@modelcontextprotocol/server";
import type { EventStore as EventStoreOldestV1 } from "sdk-oldest-v1/server/streamableHttp.js";
import type { EventStore as EventStoreOldestV2 } from "sdk-oldest-v2-server";
import { describe, expect, test } from "vitest";
import { EventStore } from "../src/sdk/event-store.js";

/*
 * The compiler does the work: these files are type-checked with the tests.
 */
describe("a session's event store", () => {
  test("is an event store to every SDK", () => {
    const session = new EventStore().forSession("session");
    const oldestV1: EventStoreOldestV1 = session;
    const v1: EventStoreV1 = session;
    const oldestV2: EventStoreOldestV2 = session;
    const v2: EventStoreV2 = session;
    expect([oldestV1, v1, oldestV2, v2]).toEqual([session, session, session, session]);
  });
});

describe("the unscoped store", () => {
  test("is an event store to no SDK", () => {
    const store = new EventStore();
    // @ts-expect-error -- sessions that share it would read one another's events
    const oldestV1: EventStoreOldestV1 = store;
    // @ts-expect-error -- sessions that share it would read one another's events
    const v1: EventStoreV1 = store;
    // @ts-expect-error -- sessions that share it would read one another's events
    const oldestV2: EventStoreOldestV2 = store;
    // @ts-expect-error -- sessions that share it would read one another's events
    const v2: EventStoreV2 = store;
    for (const mistaken of [oldestV1, v1, oldestV2, v2]) {
      expect(() => mistaken.getStreamIdForEventId?.("1:epoch:stream")).toThrow(
        expect.objectContaining({ code: "unscoped" }),
      );
    }
  });

  test("refuses every call that only a transport makes, and says what to do", async () => {
    const store = new EventStore();
    const id = await store.storeEvent("stream", null);
    const refused = { code: "unscoped", message: expect.stringContaining("forSession") as string };
    // @ts-expect-error -- what the SDKs store for priming
    await expect(store.storeEvent("stream", {})).rejects.toMatchObject(refused);
    const message = { jsonrpc: "2.0", method: "notifications/message" } as const;
    await expect(store.storeEvent("_GET_stream", message)).rejects.toMatchObject(refused);
    // @ts-expect-error -- what the SDKs call it with
    await expect(store.replayEventsAfter(id, { send: () => Promise.resolve() })).rejects.toMatchObject(
      refused,
    );
  });

  test("takes the messages of both SDKs, and sends them where they are taken", async () => {
    const store = new EventStore();
    const v1: Parameters<EventStoreV1["storeEvent"]>[1] = { jsonrpc: "2.0", id: 1, result: {} };
    const v2: Parameters<EventStoreV2["storeEvent"]>[1] = { jsonrpc: "2.0", id: "b", method: "ping" };
    const first = await store.storeEvent("stream", v1);
    await store.storeEvent("stream", v2);
    const sent: unknown[] = [];
    await store.replayEventsAfter(first, (_id, message) => void sent.push(message));
    expect(sent).toEqual([v2]);
  });
});
