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

test("two calls with one key run once, and both get every message and the result", async () => {
  const server = await startServer();
  const life = await startLife(server.url);
  const first = callTool(life, "work", { key: "k" });
  const call = await server.call("work");
  const second = callTool(life, "work", { key: "k" });
  const other = callTool(life, "work", { key: "another" });
  const otherCall = await server.call("work", 1);
  call.progress(1, 2);
  call.result(textResult("shared"));
  otherCall.result(textResult("other"));
  for (const { result, seen } of [first, second]) {
    expect(textOf(await result)).toBe("shared");
    expect(seen).toEqual([1, 2]);
  }
  expect(textOf(await other.result)).toBe("other");
  expect(server.calls).toHaveLength(2);
  expect(life.errors).toEqual([]);
});

test("one key for two methods is two calls", async () => {
  const server = await startServer({ capabilities: { tools: {}, prompts: {} } });
  const life = await startLife(server.url);
  const { result } = callTool(life, "work", { key: "k" });
  const call = await server.call("work");
  const params = { name: "work", _meta: { "resumable-mcp/key": "k" } };
  const prompt = life.client.getPrompt(params);
  (await server.call("work", 1)).result({ messages: [] });
  call.result(textResult("tool"));
  expect(await prompt).toMatchObject({ messages: [] });
  expect(textOf(await result)).toBe("tool");
});

test("a key is free again when its call is over", async () => {
  const server = await startServer();
  const life = await startLife(server.url);
  for (const [index, text] of ["one", "two"].entries()) {
    const { result } = callTool(life, "work", { key: "k" });
    (await server.call("work", index)).result(textResult(text));
    expect(textOf(await result)).toBe(text);
  }
});

test("giving up one of two calls with one key leaves the other; giving up both cancels", async () => {
  const server = await startServer();
  const life = await startLife(server.url);
  const aborts = [new AbortController(), new AbortController()];
  const first = callTool(life, "work", { key: "k", signal: aborts[0]!.signal });
  const call = await server.call("work");
  const second = callTool(life, "work", { key: "k", signal: aborts[1]!.signal });
  aborts[0]!.abort("not I");
  await expect(first.result).rejects.toThrow("not I");
  call.progress(1);
  await eventually(() => expect(second.seen).toEqual([1]));
  expect(server.count("notifications/cancelled")).toBe(0);
  aborts[1]!.abort("nor I");
  await expect(second.result).rejects.toThrow("nor I");
  await eventually(() => expect(server.count("notifications/cancelled")).toBe(1));
  await eventually(() => expect(call.stream.isConnected).toBe(false));
});

test("both calls with one key learn that it failed", async () => {
  const server = await startServer();
  const life = await startLife(server.url);
  const first = callTool(life, "work", { key: "k" });
  const call = await server.call("work");
  const second = callTool(life, "work", { key: "k" });
  await life.client.ping();
  call.session.streams.length = 0;
  call.stream.cut();
  for (const { result } of [first, second])
    expect(await failureOf(result)).toMatchObject({ code: "cursor-lost", maybeExecuted: true });
});

/** A life that ends while a keyed call runs. */
async function reloadKeyed() {
  const server = await startServer();
  const store = memoryStore();
  const first = await startLife(server.url, store);
  const { seen } = callTool(first, "work", { key: "k" });
  const call = await server.call("work");
  call.progress(1);
  await eventually(() => expect(seen).toEqual([1]));
  await first.client.close();
  return { server, store, call };
}

test("after a reload a keyed call attaches to the one that runs", async () => {
  const { server, store, call } = await reloadKeyed();
  const life = await startLife(server.url, store);
  const { result, seen } = callTool(life, "work", { key: "k" });
  call.progress(2, 3);
  await eventually(() => expect(seen).toEqual([2, 3]));
  call.result(textResult("attached"));
  expect(textOf(await result)).toBe("attached");
  expect(life.transport.interrupted()).toEqual([]);
  expect(server.calls).toHaveLength(1);
  expect(life.errors).toEqual([]);
});

test("it attaches too when the call finished while the page was away, and after its messages were read", async () => {
  const { server, store, call } = await reloadKeyed();
  call.progress(2);
  call.result(textResult("meanwhile"));
  const life = await startLife(server.url, store);
  await eventually(() => expect(server.count("GET")).toBeGreaterThan(1));
  await eventually(() => expect(call.stream.isConnected).toBe(false));
  const { result, seen } = callTool(life, "work", { key: "k" });
  expect(textOf(await result)).toBe("meanwhile");
  expect(seen).toEqual([2]);
  expect(server.calls).toHaveLength(1);
  await life.client.close();
  expect((await startLife(server.url, store)).transport.interrupted()).toEqual([]);
});

test("it attaches beside an app that claims the same call, and both get the result", async () => {
  const { server, store, call } = await reloadKeyed();
  const life = await startLife(server.url, store);
  const claimed = life.transport.interrupted()[0]!.result;
  const { result } = callTool(life, "work", { key: "k" });
  call.result(textResult("both"));
  expect(textOf(await claimed)).toBe("both");
  expect(textOf(await result)).toBe("both");
  expect(server.calls).toHaveLength(1);
});

test("cancelling an attached call cancels the one that runs", async () => {
  const { server, store, call } = await reloadKeyed();
  const life = await startLife(server.url, store);
  const abort = new AbortController();
  const { result } = callTool(life, "work", { key: "k", signal: abort.signal });
  await eventually(() => expect(call.stream.isConnected).toBe(true));
  abort.abort("enough");
  await expect(result).rejects.toThrow("enough");
  await eventually(() => expect(server.messages("notifications/cancelled")).toHaveLength(1));
  expect(server.messages("notifications/cancelled")[0]?.params?.requestId).toBe(call.message.id);
  await eventually(() => expect(call.stream.isConnected).toBe(false));
  await life.client.close();
  expect((await startLife(server.url, store)).transport.interrupted()).toEqual([]);
});

test("an error of the server reaches an attached call as the SDK's own error", async () => {
  const { server, store, call } = await reloadKeyed();
  const life = await startLife(server.url, store);
  const { result } = callTool(life, "work", { key: "k" });
  call.error(-32000, "out of paper");
  await expect(result).rejects.toMatchObject({
    code: -32000,
    message: expect.stringContaining("out of paper") as unknown,
  });
  expect(server.calls).toHaveLength(1);
});

test("a keyed call that cannot go on fails once, and is run when it is made again", async () => {
  const { server, store, call } = await reloadKeyed();
  call.session.streams.length = 0;
  const life = await startLife(server.url, store);
  const failed = callTool(life, "work", { key: "k" });
  expect(await failureOf(failed.result)).toMatchObject({ code: "cursor-lost", maybeExecuted: true });
  const { result } = callTool(life, "work", { key: "k" });
  (await server.call("work", 1)).result(textResult("anew"));
  expect(textOf(await result)).toBe("anew");
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
