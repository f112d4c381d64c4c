import { describe, expect, test } from "vitest";
import { EventStore } from "../src/sdk/event-store.js";
import { memoryLog } from "../src/logs/memory.js";
import type { StoreObservation } from "../src/store/observation.js";
import { FaultyLog } from "./support/faulty-log.js";
import { answer, collector, numbered } from "./support/messages.js";

function observedStore(options: ConstructorParameters<typeof EventStore>[0] = {}): {
  readonly store: EventStore;
  /** What was seen since the last look, without the durations, which are checked here. */
  readonly look: () => object[];
} {
  const seen: StoreObservation[] = [];
  const store = new EventStore({ ...options, observe: (observation) => seen.push(observation) });
  const look = (): object[] =>
    seen.splice(0).map((observation) => {
      if (observation.type === "gap") return observation;
      const { durationMs, ...rest } = observation;
      expect(durationMs).toBeGreaterThanOrEqual(0);
      return rest;
    });
  return { store, look };
}

describe("those who observe a store", () => {
  test("are told of events stored, replayed, and of finished and unknown cursors", async () => {
    const { store, look } = observedStore();
    const session = store.forSession("session");
    const about = { sessionId: "session", streamId: "stream" };
    const priming = await session.storeEvent("stream", {});
    const first = await session.storeEvent("stream", numbered(1));
    const last = await session.storeEvent("stream", answer(1));
    expect(look()).toEqual([
      { type: "stored", ...about, kind: "priming", size: 4, eventId: priming },
      {
        type: "stored",
        ...about,
        kind: "message",
        size: JSON.stringify(numbered(1)).length,
        eventId: first,
      },
      {
        type: "stored",
        ...about,
        kind: "response",
        size: JSON.stringify(answer(1)).length,
        eventId: last,
      },
    ]);
    await session.getStreamIdForEventId(priming);
    await session.replayEventsAfter(priming, collector());
    expect(look()).toEqual([{ type: "replayed", ...about, messages: 2 }]);
    await session.getStreamIdForEventId(last);
    await session.getStreamIdForEventId("garbage");
    await session.getStreamIdForEventId(priming.replace("stream", "other"));
    await session.getStreamIdForEventId(priming.replace(/:.*:/, ":0:"));
    expect(look()).toEqual([
      { type: "rejected", ...about, reason: "finished" },
      { type: "rejected", sessionId: "session", streamId: undefined, reason: "malformed" },
      { type: "expired", sessionId: "session", streamId: "other", reason: "no-stream" },
      { type: "expired", ...about, reason: "other-epoch" },
    ]);
  });

  test("are told of gaps, replayed or refused", async () => {
    for (const onGap of ["replay", "refuse"] as const) {
      const { store, look } = observedStore({ maxEventsPerStream: 1, onGap });
      const first = await store.storeEvent("stream", numbered(1));
      for (const number of [2, 3, 4]) await store.storeEvent("stream", numbered(number));
      look();
      await store.replay(first, () => undefined);
      const about = { sessionId: undefined, streamId: "stream" };
      const refused = onGap === "refuse";
      const gap = { type: "gap", ...about, refused, missed: 2, from: 2, to: 3 };
      expect(look()).toEqual(
        refused
          ? [{ type: "rejected", ...about, reason: "gap" }, gap]
          : [gap, { type: "replayed", ...about, messages: 1 }],
      );
    }
  });

  test("are told of a log that fails, at each operation", async () => {
    const log = new FaultyLog(memoryLog());
    const { store, look } = observedStore({ storage: log });
    const session = store.forSession("session");
    const id = await session.storeEvent("stream", numbered(1));
    look();
    log.breakWhen((operation) => (operation === "append" ? undefined : "fail"));
    await expect(session.getStreamIdForEventId(id)).rejects.toMatchObject({ code: "backend" });
    await session.storeEvent("stream", answer(1));
    await expect(store.endSession("session")).rejects.toMatchObject({ code: "backend" });
    log.breakWhen((_operation, stream) => (stream.startsWith("i:") ? "fail" : undefined));
    await store.forSession("another").storeEvent("stream", null);
    const failed = look().filter((observation) => "operation" in observation);
    expect(failed).toMatchObject([
      { type: "failed", operation: "read", sessionId: "session", streamId: "stream" },
      { type: "failed", operation: "end", sessionId: "session", streamId: "stream" },
      { type: "failed", operation: "delete", sessionId: "session", streamId: undefined },
      { type: "failed", operation: "index", sessionId: "another", streamId: "stream" },
    ]);
  });

  test("are told when a session ends, and of how many streams", async () => {
    const { store, look } = observedStore();
    await store.forSession("session").storeEvent("a", null);
    await store.forSession("session").storeEvent("b", null);
    look();
    await store.endSession("session");
    expect(look()).toEqual([{ type: "session-ended", sessionId: "session", streams: 2 }]);
  });

  test("cannot make the store fail", async () => {
    const store = new EventStore({
      observe: () => {
        throw new Error("the metrics are broken");
      },
    });
    const session = store.forSession("session");
    const id = await session.storeEvent("stream", numbered(1));
    await session.storeEvent("stream", answer(1));
    expect(await session.replay(id, () => undefined)).toEqual({ kind: "resumed", replayed: 1 });
  });

  test("can count and time everything in five lines", async () => {
    const counts = new Map<string, number>();
    const durations = new Map<string, number[]>();
    const store = new EventStore({
      observe: (observation) => {
        const { type } = observation;
        counts.set(type, (counts.get(type) ?? 0) + 1);
        if ("durationMs" in observation)
          durations.set(type, [...(durations.get(type) ?? []), observation.durationMs]);
      },
    });
    const id = await store.storeEvent("stream", numbered(1));
    await store.replay(id, () => undefined);
    expect(Object.fromEntries(counts)).toEqual({ stored: 1, replayed: 1 });
    expect([...durations.keys()]).toEqual(["stored", "replayed"]);
  });
});
