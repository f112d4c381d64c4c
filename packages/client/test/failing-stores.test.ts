import { expect, onTestFinished, test, vi } from "vitest";
import { memoryStore, type Slot, type StateStore } from "../src/index.js";
import { callTool, prepareLife, startLife, textOf, textResult } from "./sdk/clients.js";
import { startServer } from "./sdk/mcp-server.js";
import { eventually } from "./sdk/eventually.js";

const fail = (): Promise<never> => Promise.reject(new Error("no storage here"));

/** A memory store some of whose steps are replaced. */
function storeWith(steps: Partial<Slot>): StateStore {
  const inner = memoryStore();
  return { acquire: async (scope, signal) => ({ ...(await inner.acquire(scope, signal)), ...steps }) };
}

const STORES: readonly (readonly [string, StateStore, readonly object[]])[] = [
  ["acquire() rejects", { acquire: fail }, [{ code: "state-unavailable" }]],
  [
    "acquire() throws",
    {
      acquire() {
        throw new Error("no storage here");
      },
    },
    [{ code: "state-unavailable" }],
  ],
  ["load() rejects", storeWith({ load: fail }), [{ code: "state-unavailable" }]],
  ["save() rejects", storeWith({ save: fail }), [{ code: "state-unavailable" }]],
  [
    "save() throws",
    storeWith({
      save() {
        throw new Error("no storage here");
      },
    }),
    [{ code: "state-unavailable" }],
  ],
  ["release() rejects", storeWith({ release: fail }), [{ code: "state-unavailable" }]],
];

test.each(STORES)(
  "where %s, the call works, the app is told once, and close() ends",
  async (_, store, errors) => {
    const server = await startServer();
    const life = await startLife(server.url, store);
    const { seen, result } = callTool(life, "work");
    const call = await server.call("work");
    call.progress(1);
    await eventually(() => expect(seen).toEqual([1]));
    call.stream.cut();
    call.progress(2);
    call.result(textResult("works"));
    expect(textOf(await result)).toBe("works");
    expect(seen).toEqual([1, 2]);
    await life.client.close();
    expect(life.transport.status.state).toBe("closed");
    expect(life.errors).toMatchObject(errors);
  },
);

test("where saving hangs, a call starts after 2 s all the same, and close() ends", async () => {
  const server = await startServer();
  const life = await startLife(server.url, storeWith({ save: () => new Promise(() => undefined) }));
  const { result } = callTool(life, "work");
  const call = await eventually(() => {
    expect(server.calls).toHaveLength(1);
    return server.calls[0]!;
  });
  call.result(textResult("works"));
  expect(textOf(await result)).toBe("works");
  await life.client.close();
  expect(life.errors).toMatchObject([{ code: "state-unavailable" }]);
});

test("where acquiring hangs, close() ends the start at once", async () => {
  const server = await startServer();
  const { client, transport } = prepareLife(server.url, { acquire: () => new Promise(() => undefined) });
  const connecting = client.connect(transport);
  connecting.catch(() => undefined);
  await transport.close();
  await expect(connecting).rejects.toMatchObject({ code: "closed" });
});

test.each([
  ["of a newer version", { version: 2 }],
  ["that is nonsense", "nonsense"],
])("a record %s is set aside, reported through onerror, and the client starts afresh", async (_, record) => {
  const server = await startServer();
  const store = memoryStore();
  const slot = await store.acquire({ serverUrl: server.url, partition: "" }, new AbortController().signal);
  await slot.save(record);
  await slot.release();
  const life = await startLife(server.url, store);
  expect(life.errors).toMatchObject([{ code: "state-corrupt" }]);
  expect(server.count("initialize")).toBe(1);
  await life.client.close();
  const next = await startLife(server.url, store);
  expect(next.errors).toEqual([]);
  expect(server.count("initialize")).toBe(1);
});

test("a session is not picked up by another partition, nor at another server's URL", async () => {
  const server = await startServer();
  const store = memoryStore();
  const first = await startLife(server.url, store, { partition: "anna" });
  await first.client.close();
  const second = await startLife(server.url, store, { partition: "bert" });
  expect(second.transport.sessionId).not.toBe(first.transport.sessionId);
  const third = await startLife(`${server.url}?other`, store, { partition: "anna" });
  expect(third.transport.sessionId).not.toBe(first.transport.sessionId);
  const again = await startLife(server.url, store, { partition: "anna" });
  expect(again.transport.sessionId).toBe(first.transport.sessionId);
});

test("two clients that live at once never share a session or an id on the wire", async () => {
  const server = await startServer();
  const store = memoryStore();
  const lives = await Promise.all([startLife(server.url, store), startLife(server.url, store)]);
  expect(lives[0].transport.sessionId).not.toBe(lives[1].transport.sessionId);
  for (const life of lives) callTool(life, "work");
  await eventually(() => expect(server.calls).toHaveLength(2));
  const ids = server.received.flatMap(({ message }) =>
    message !== undefined && "id" in message ? [message.id] : [],
  );
  expect(new Set(ids).size).toBe(ids.length);
});

test("state older than maxAgeMs is forgotten", async () => {
  const server = await startServer();
  const store = memoryStore();
  const first = await startLife(server.url, store);
  await first.client.close();
  await eventually(async () => {
    const life = await startLife(server.url, store, { maxAgeMs: 1 });
    await life.client.close();
    expect(server.count("initialize")).toBeGreaterThan(1);
  });
});

test("an onerror that throws is heard of as any listener that throws, and what is saved later is saved", async () => {
  const thrown: unknown[] = [];
  const later = globalThis.queueMicrotask;
  vi.stubGlobal("queueMicrotask", (work: () => void) =>
    later(() => {
      try {
        work();
      } catch (error) {
        thrown.push(error);
      }
    }),
  );
  onTestFinished(() => void vi.unstubAllGlobals());
  const server = await startServer();
  let isFull = true;
  const saved: unknown[] = [];
  const store = storeWith({
    save: async (record) => {
      if (isFull) throw new Error("no room");
      saved.push(record);
    },
  });
  const { client, transport } = prepareLife(server.url, store);
  const broken = new Error("the app's own fault");
  client.onerror = () => {
    throw broken;
  };
  await client.connect(transport);
  expect(thrown).toContain(broken);
  isFull = false;
  const { result } = callTool({ client, transport, errors: [], told: () => [] }, "work");
  (await server.call("work")).result(textResult("works"));
  expect(textOf(await result)).toBe("works");
  await eventually(() => expect(saved).not.toEqual([]));
});
