import { expect, test } from "vitest";
import { memoryStore } from "../src/index.js";
import { callTool, failureOf, openStore, startLife, textOf, textResult } from "./sdk/clients.js";
import { type McpServer, startServer } from "./sdk/mcp-server.js";
import { eventually } from "./sdk/eventually.js";

/** Breaks every connection on which a call is sent, from now on. */
function breakPosts(server: McpServer): void {
  server.refuse = ({ rpc }) => (rpc === "tools/call" ? (response) => response.destroy() : undefined);
}

test("a call whose connection is cut again and again gets every message once, in order", async () => {
  const server = await startServer();
  const life = await startLife(server.url);
  const { seen, result } = callTool(life, "work");
  const call = await server.call("work");
  for (let n = 1; n <= 10; n += 1) {
    await eventually(() => expect(call.stream.connections).toBe(n));
    call.progress(n);
    call.stream.cut();
  }
  call.result(textResult("through"));
  expect(textOf(await result)).toBe("through");
  expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  expect(server.calls).toHaveLength(1);
  expect(life.errors).toEqual([]);
});

test("progress that comes in one piece with the result is not lost on the SDK", async () => {
  const server = await startServer();
  const life = await startLife(server.url);
  const { seen, result } = callTool(life, "work");
  const call = await server.call("work");
  const { id, params } = call.message;
  const { progressToken } = params?._meta as { progressToken: string };
  const progress = {
    jsonrpc: "2.0",
    method: "notifications/progress",
    params: { progressToken, progress: 1 },
  };
  // A batch of the 2025-03-26 revision: one event, several messages.
  call.stream.append([progress, { jsonrpc: "2.0", id, result: textResult("batch") }] as never);
  expect(textOf(await result)).toBe("batch");
  expect(seen).toEqual([1]);
});

test("a finished call leaves no entry behind", async () => {
  const server = await startServer();
  const store = openStore();
  const life = await startLife(server.url, store);
  const { result } = callTool(life, "work");
  const call = await server.call("work");
  expect(store.records.at(-1)?.calls).toMatchObject([{ id: call.message.id, method: "tools/call" }]);
  call.result(textResult("done"));
  await result;
  await eventually(() => expect(store.records.at(-1)?.calls).toEqual([]));
});

test("the request is not sent before its entry is saved", async () => {
  const server = await startServer();
  const inner = memoryStore();
  const waiting: (() => void)[] = [];
  let isGated = false;
  const life = await startLife(server.url, {
    async acquire(scope, signal) {
      const slot = await inner.acquire(scope, signal);
      return {
        ...slot,
        async save(record) {
          if (isGated) await new Promise<void>((resolve) => waiting.push(resolve));
          await slot.save(record);
        },
      };
    },
  });
  await life.client.ping();
  await server.listening();
  isGated = true;
  const { result } = callTool(life, "work");
  await eventually(() => expect(waiting.length).toBeGreaterThan(0));
  // Whatever a request would need to get there.
  expect((await fetch(server.url, { method: "POST" })).status).toBe(400);
  expect(server.count("tools/call")).toBe(0);
  isGated = false;
  for (const open of waiting) open();
  (await server.call("work")).result(textResult("saved"));
  expect(textOf(await result)).toBe("saved");
});

test("a call that was cut before a cursor fails, typed, and is not sent again", async () => {
  const server = await startServer();
  const life = await startLife(server.url);
  breakPosts(server);
  const { result } = callTool(life, "work");
  expect(await failureOf(result)).toMatchObject({ code: "interrupted", maybeExecuted: true });
  expect(server.count("tools/call")).toBe(1);
});

test("a read that was cut before a cursor is sent again", async () => {
  const server = await startServer();
  const life = await startLife(server.url);
  let broken = 0;
  server.refuse = ({ rpc }) =>
    rpc === "tools/list" && ++broken <= 2 ? (response) => response.destroy() : undefined;
  const listed = life.client.listTools();
  (await server.call("tools/list")).result({ tools: [] });
  expect(await listed).toMatchObject({ tools: [] });
});

test.each(["readOnlyHint", "idempotentHint"])("a tool annotated %s is called again", async (hint) => {
  const server = await startServer();
  const life = await startLife(server.url);
  const listed = life.client.listTools();
  const tool = { name: "work", inputSchema: { type: "object" }, annotations: { [hint]: true } };
  (await server.call("tools/list")).result({ tools: [tool] });
  await listed;
  let broken = 0;
  server.refuse = ({ rpc }) =>
    rpc === "tools/call" && ++broken <= 2 ? (response) => response.destroy() : undefined;
  const { result } = callTool(life, "work");
  (await server.call("work")).result(textResult("again"));
  expect(textOf(await result)).toBe("again");
  expect(broken).toBe(3);
});

test("where the server deduplicates, a call is sent again with the same key, and runs once", async () => {
  const server = await startServer({ idempotent: true });
  const life = await startLife(server.url);
  const { result, seen } = callTool(life, "work");
  const call = await server.call("work");
  call.progress(1);
  await eventually(() => expect(seen).toEqual([1]));
  const other = callTool(life, "other");
  const cut = await server.call("other");
  expect(cut.message.id).not.toBe(call.message.id);
  cut.stream.cut();
  cut.progress(1, 2);
  cut.result(textResult("other"));
  call.result(textResult("work"));
  expect(textOf(await other.result)).toBe("other");
  expect(textOf(await result)).toBe("work");
  expect(other.seen).toEqual([1, 2]);
  expect(server.calls).toHaveLength(2);
});

test("a key is no licence to run a call a second time in another session", async () => {
  const server = await startServer({ idempotent: true });
  const life = await startLife(server.url);
  const lost = server.session;
  server.refuse = ({ rpc }) => {
    if (rpc !== "tools/call") return undefined;
    // It may have run; and then the session is gone.
    server.sessions.delete(lost.id);
    server.refuse = () => undefined;
    return (response) => response.destroy();
  };
  const { result } = callTool(life, "work");
  expect(await failureOf(result)).toMatchObject({ code: "session-lost", maybeExecuted: true });
  expect(server.calls).toEqual([]);
  expect(server.sessions.size).toBe(1);
});

test("cancelling closes the stream, drops the entry, and names the id on the wire to the server", async () => {
  const server = await startServer();
  const store = openStore();
  const life = await startLife(server.url, store);
  const abort = new AbortController();
  const { result } = callTool(life, "work", { signal: abort.signal });
  const call = await server.call("work");
  abort.abort("enough");
  await expect(result).rejects.toThrow("enough");
  await eventually(() => expect(server.messages("notifications/cancelled")).toHaveLength(1));
  expect(server.messages("notifications/cancelled")[0]?.params).toEqual({
    requestId: call.message.id,
    reason: "enough",
  });
  await eventually(() => expect(call.stream.isConnected).toBe(false));
  await eventually(() => expect(store.records.at(-1)?.calls).toEqual([]));
  expect(life.errors).toEqual([]);
});

test("the SDK's time-out is an ordinary cancellation", async () => {
  const server = await startServer();
  const store = openStore();
  const life = await startLife(server.url, store);
  const { result } = callTool(life, "work", { timeout: 1_000 });
  const call = await server.call("work");
  await expect(result).rejects.toThrow("timed out");
  await eventually(() => expect(server.messages("notifications/cancelled")).toHaveLength(1));
  expect(server.messages("notifications/cancelled")[0]?.params?.requestId).toBe(call.message.id);
  await eventually(() => expect(call.stream.isConnected).toBe(false));
  await eventually(() => expect(store.records.at(-1)?.calls).toEqual([]));
});

test("a call can be cancelled while its stream is broken", async () => {
  const server = await startServer();
  const life = await startLife(server.url);
  const abort = new AbortController();
  const { result } = callTool(life, "work", { signal: abort.signal });
  const call = await server.call("work");
  server.refuse = ({ method }) => (method === "GET" ? 503 : undefined);
  call.stream.cut();
  await eventually(() => expect(life.transport.status.state).toBe("waiting"));
  abort.abort("enough");
  await expect(result).rejects.toThrow("enough");
  await eventually(() => expect(server.messages("notifications/cancelled")).toHaveLength(1));
});

test("after a failure, aborting the call's signal tells the server nothing", async () => {
  const server = await startServer();
  const life = await startLife(server.url);
  breakPosts(server);
  const abort = new AbortController();
  const { result } = callTool(life, "work", { signal: abort.signal });
  await failureOf(result);
  abort.abort();
  await life.client.ping();
  expect(server.count("notifications/cancelled")).toBe(0);
});

test("a response that comes on another call's stream ends its own call, whose stream is closed", async () => {
  const server = await startServer();
  const store = openStore();
  const life = await startLife(server.url, store);
  const [a, b] = [callTool(life, "a"), callTool(life, "b")];
  const [onA, onB] = [await server.call("a"), await server.call("b")];
  onA.stream.append({ jsonrpc: "2.0", id: onB.message.id, result: textResult("of b") });
  expect(textOf(await b.result)).toBe("of b");
  await eventually(() => expect(onB.stream.isConnected).toBe(false));
  await eventually(() => expect(store.records.at(-1)?.calls).toMatchObject([{ id: onA.message.id }]));
  onA.result(textResult("of a"));
  expect(textOf(await a.result)).toBe("of a");
  expect(life.errors).toEqual([]);
});

test("many calls that are cancelled in an outage warn of no leak, and are all told of when it is over", async () => {
  const server = await startServer();
  const life = await startLife(server.url);
  const aborts = Array.from({ length: 30 }, () => new AbortController());
  const results = aborts.map(({ signal }, n) => callTool(life, `work${n}`, { signal }));
  await eventually(() => expect(server.calls).toHaveLength(30));
  const warnings: Error[] = [];
  const note = (warning: Error): void => void warnings.push(warning);
  process.on("warning", note);
  let isDown = true;
  server.refuse = () => (isDown ? (response) => response.destroy() : undefined);
  for (const abort of aborts) abort.abort();
  await Promise.allSettled(results.map(({ result }) => result));
  await eventually(() => expect(server.count("notifications/cancelled")).toBeGreaterThanOrEqual(30));
  isDown = false;
  const told = () =>
    new Set(server.messages("notifications/cancelled").map(({ params }) => params?.requestId));
  await eventually(() => expect(told().size).toBe(30));
  process.off("warning", note);
  expect(warnings).toEqual([]);
});
