import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Acknowledgements } from "../src/state/acknowledgements.js";
import { callTool, openStore, startLife } from "./sdk/clients.js";
import { startServer } from "./sdk/mcp-server.js";
import { eventually } from "./sdk/eventually.js";

describe("by itself", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test("a cursor is released one macrotask after the message was handed over, never before", async () => {
    const released: string[] = [];
    const acknowledgements = new Acknowledgements(false);
    acknowledgements.after({}, () => released.push("a"));
    for (let microtask = 0; microtask < 10; microtask += 1) await Promise.resolve();
    expect(released).toEqual([]);
    vi.advanceTimersByTime(0);
    expect(released).toEqual(["a"]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("a message that comes in the macrotask of a release waits for one of its own", () => {
    const released: string[] = [];
    const acknowledgements = new Acknowledgements(false);
    acknowledgements.after({}, () => {
      released.push("a");
      acknowledgements.after({}, () => released.push("b"));
    });
    vi.advanceTimersToNextTimer();
    expect(released).toEqual(["a"]);
    vi.advanceTimersToNextTimer();
    expect(released).toEqual(["a", "b"]);
  });

  test("of one stream the newest cursor is released, of each stream its own", () => {
    const released: string[] = [];
    const acknowledgements = new Acknowledgements(false);
    const [a, b] = [{}, {}];
    acknowledgements.after(a, () => released.push("a1"));
    acknowledgements.after(b, () => released.push("b1"));
    acknowledgements.after(a, () => released.push("a2"));
    vi.advanceTimersByTime(0);
    expect(released.toSorted()).toEqual(["a2", "b1"]);
  });

  test("what was dropped is never released", () => {
    const release = vi.fn();
    const acknowledgements = new Acknowledgements(false);
    acknowledgements.after({}, release);
    acknowledgements.drop();
    vi.advanceTimersByTime(10);
    acknowledgements.acknowledge();
    expect(release).not.toHaveBeenCalled();
  });

  test("by hand, time does nothing, and what the app never acknowledges does not pile up", () => {
    const release = vi.fn();
    const acknowledgements = new Acknowledgements(true);
    const stream = {};
    for (let n = 0; n < 1000; n += 1) acknowledgements.after(stream, release);
    vi.advanceTimersByTime(1_000_000);
    expect(release).not.toHaveBeenCalled();
    acknowledgements.acknowledge();
    acknowledgements.acknowledge();
    expect(release).toHaveBeenCalledTimes(1);
  });
});

test('with ack: "manual" the persisted cursor waits for ack(), and says so', async () => {
  const server = await startServer();
  const store = openStore();
  const life = await startLife(server.url, store, { ack: "manual" });
  const { seen } = callTool(life, "work");
  const call = await server.call("work");
  call.progress(1, 2);
  await eventually(() => expect(seen).toEqual([1, 2]));
  const persisted = () =>
    life.told("cursor").flatMap(({ eventId, persisted }) => (persisted ? [eventId] : []));
  // The priming event carries nothing that could be handled.
  const [primed] = persisted();
  expect(persisted()).toEqual([primed]);
  expect(store.records.at(-1)?.calls[0]?.cursor).toBe(primed);
  life.transport.ack();
  const last = life.told("cursor").findLast(({ persisted }) => !persisted)?.eventId;
  expect(last).not.toBe(primed);
  expect(persisted()).toEqual([primed, last]);
  await eventually(() => expect(store.records.at(-1)?.calls[0]?.cursor).toBe(last));
});

test("the first cursor is saved before the first message is handed over", async () => {
  const server = await startServer();
  const store = openStore();
  const life = await startLife(server.url, store);
  const saved: unknown[] = [];
  life.transport.addEventListener("cursor", ({ detail }) => {
    if (detail.stream.method === "tools/call" && !detail.persisted)
      saved.push(store.records.at(-1)?.calls[0]?.cursor);
  });
  const { result } = callTool(life, "work");
  const call = await server.call("work");
  call.progress(1, 2);
  call.result({ content: [] });
  await result;
  // Nothing was saved when the priming event came; when the first message did, that one was.
  expect(saved[0]).toBeUndefined();
  expect(saved[1]).toEqual(life.told("cursor").find(({ persisted }) => persisted)?.eventId);
});

test('with ack: "manual" even the response comes again until it is acknowledged', async () => {
  const server = await startServer();
  const store = openStore();
  const first = await startLife(server.url, store, { ack: "manual" });
  const { result } = callTool(first, "work");
  const call = await server.call("work");
  await eventually(() => expect(first.told("cursor")).not.toEqual([]));
  first.transport.ack();
  call.result({ content: [] });
  await result;
  await first.client.close();

  const second = await startLife(server.url, store, { ack: "manual" });
  expect(await second.transport.interrupted()[0]!.result).toEqual({ content: [] });
  second.transport.ack();
  await second.client.close();
  expect((await startLife(server.url, store)).transport.interrupted()).toEqual([]);
});

test('with ack: "manual" an app that never acknowledges keeps 100 finished calls, and no running one is let go', async () => {
  const server = await startServer();
  const store = openStore();
  const life = await startLife(server.url, store, { ack: "manual" });
  const running = callTool(life, "running");
  (await server.call("running")).progress(1);
  await eventually(() => expect(running.seen).toEqual([1]));
  for (let n = 0; n < 105; n += 1) {
    const { result } = callTool(life, `work${n}`);
    (await server.call(`work${n}`)).result({ content: [] });
    await result;
  }
  await eventually(() => expect(store.records.at(-1)?.calls).toHaveLength(101));
  const names = store.records.at(-1)!.calls.map(({ params }) => params?.name);
  expect(names.slice(0, 2)).toEqual(["running", "work5"]);
});
