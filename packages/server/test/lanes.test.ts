// The lanes that every driver with a storage that answers later is made of.

import { describe, expect, it } from "vitest";
import { type CheckedEvent, type Lane, Lanes, type LanesOptions } from "../src/log/driver.js";
import type { Retention } from "../src/log/event-log.js";

const KEEP: Retention = { maxEvents: null, maxBytes: null, ttlMs: null, headTtlMs: null };
const event = (payload: string): CheckedEvent => ({ payload, bytes: payload.length });

/** Lanes on a storage that keeps what it was given, call by call, and counts a stream's events in its lane's state. */
function lanesOnArrays(options: Partial<LanesOptions<number>> = {}) {
  const calls: string[] = [];
  const store = async (lane: Lane<number>, events: readonly CheckedEvent[]) => {
    await Promise.resolve();
    calls.push(`${lane.name}: ${events.map(({ payload }) => payload).join(" ")}`);
    lane.state = (lane.state ?? 0) + events.length;
    return { epoch: "epoch", seq: lane.state };
  };
  const lanes = new Lanes<number>({
    maxIdle: 2,
    storage: "the arrays",
    maxPendingBytes: 1e6,
    store,
    ...options,
  });
  return { lanes, calls };
}

describe("the lanes of a log's streams", () => {
  it("store the appends that wait together, each with its own position", async () => {
    const { lanes, calls } = lanesOnArrays();
    const appends = ["a", "b", "c"].map((payload) => lanes.append("stream", event(payload), KEEP));
    expect((await Promise.all(appends)).map(({ seq }) => seq)).toEqual([1, 2, 3]);
    expect(calls).toEqual(["stream: a b c"]);
  });

  it("store apart what differs in retention, what is too much, and what another change comes between", async () => {
    const { lanes, calls } = lanesOnArrays({ maxEvents: 2, maxBytes: 10 });
    const changed: string[] = [];
    await Promise.all([
      ...["a", "b", "c"].map((payload) => lanes.append("count", event(payload), KEEP)),
      ...["1234567", "12345"].map((payload) => lanes.append("bytes", event(payload), KEEP)),
      lanes.append("retention", event("a"), KEEP),
      lanes.append("retention", event("b"), { ...KEEP, maxEvents: 1 }),
      lanes.append("change", event("a"), KEEP),
      lanes.change("change", async () => changed.push([...calls].pop() ?? "")),
      lanes.append("change", event("b"), KEEP),
    ]);
    expect(calls.filter((call) => call.startsWith("count"))).toEqual(["count: a b", "count: c"]);
    expect(calls.filter((call) => call.startsWith("bytes"))).toEqual(["bytes: 1234567", "bytes: 12345"]);
    expect(calls.filter((call) => call.startsWith("retention"))).toEqual(["retention: a", "retention: b"]);
    expect(calls.filter((call) => call.startsWith("change"))).toEqual(["change: a", "change: b"]);
    expect(changed).toHaveLength(1);
  });

  it("fail all events of a batch with the storage's error, and go on with the next", async () => {
    let isBroken = true;
    const { lanes } = lanesOnArrays({
      store: async (_, events) => {
        if (isBroken) throw new Error("broken");
        return { epoch: "epoch", seq: events.length };
      },
    });
    const appends = ["a", "b"].map((payload) => lanes.append("stream", event(payload), KEEP));
    for (const append of appends) await expect(append).rejects.toThrow("broken");
    isBroken = false;
    expect(await lanes.append("stream", event("c"), KEEP)).toMatchObject({ seq: 1 });
  });

  it("forget what was known of the streams that were not used for longest", async () => {
    const { lanes } = lanesOnArrays();
    for (const stream of ["one", "two"]) await lanes.append(stream, event("a"), KEEP);
    expect(lanes.peek("one")).toBe(1);
    await lanes.append("three", event("a"), KEEP);
    await lanes.settled();
    expect(["one", "two", "three"].map((stream) => lanes.peek(stream))).toEqual([1, undefined, 1]);
  });
});
