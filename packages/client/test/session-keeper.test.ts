import { expect, test } from "vitest";
import { memoryStore } from "../src/index.js";
import { callTool, failureOf, openStore, startLife, textOf, textResult } from "./sdk/clients.js";
import { type McpServer, type Received, startServer } from "./sdk/mcp-server.js";
import { eventually } from "./sdk/eventually.js";

const LISTS = { tools: {}, prompts: {}, resources: { subscribe: true }, logging: {} };

/** Ten running calls, each after its first progress, on a client that has learnt of a safe tool. */
async function tenCalls() {
  const server = await startServer({ capabilities: LISTS });
  const store = openStore();
  const life = await startLife(server.url, store);
  await server.listening();
  const calls = Array.from({ length: 10 }, (_, n) => callTool(life, `work${n}`));
  await eventually(() => expect(server.calls).toHaveLength(10));
  for (const call of server.calls) call.progress(1);
  await eventually(() => expect(calls.every(({ seen }) => seen.length === 1)).toBe(true));
  return { server, store, life, calls };
}

/** Ways in which a session is lost, each with the statuses that a server shows. */
const LOSSES: readonly (readonly [string, (server: McpServer) => void])[] = [
  ["the server forgets it and says 404", (server) => server.sessions.clear()],
  [
    "another party ends it by DELETE",
    (server) => {
      server.sessions.delete(server.session.id);
    },
  ],
  [
    "the server says 400 as the SDK's does when it was never initialized",
    (server) => {
      const { id } = server.session;
      server.sessions.delete(id);
      server.refuse = ({ headers }) => (headers["mcp-session-id"] === id ? 400 : undefined);
    },
  ],
];

test.each(LOSSES)("ten streams notice at once that %s: there is one new session", async (_, lose) => {
  const { server, life, calls } = await tenCalls();
  const lost = life.transport.sessionId;
  lose(server);
  server.cut();
  for (const { result } of calls)
    expect(await failureOf(result)).toMatchObject({ code: "session-lost", maybeExecuted: true });
  expect(server.count("initialize")).toBe(2);
  expect(life.told("sessionreplaced")).toHaveLength(1);
  expect(life.told("sessionreplaced")[0]?.cause).toMatchObject({ code: "session-lost" });
  expect(life.transport.sessionId).toBe(server.session.id);
  expect(life.transport.sessionId).not.toBe(lost);
  await server.listening();
  const { result } = callTool(life, "next");
  (await server.call("next")).result(textResult("next"));
  expect(textOf(await result)).toBe("next");
});

test("a restart of the server on the same port is a lost session", async () => {
  const before = await startServer();
  const life = await startLife(before.url);
  const { result } = callTool(life, "work");
  await before.call("work");
  const { port } = before;
  await before.close();
  const after = await startServer({ port });
  expect(await failureOf(result)).toMatchObject({ code: "session-lost" });
  const next = callTool(life, "next");
  (await after.call("next")).result(textResult("up again"));
  expect(textOf(await next.result)).toBe("up again");
  expect(after.count("initialize")).toBe(1);
});

test("log level and subscriptions are given to the new session, unsubscribed ones are not", async () => {
  const { server, life, calls } = await tenCalls();
  await life.client.setLoggingLevel("warning");
  for (const uri of ["a:1", "a:2"]) await life.client.subscribeResource({ uri });
  await life.client.unsubscribeResource({ uri: "a:1" });
  server.received.length = 0;
  server.sessions.clear();
  server.cut();
  for (const { result } of calls) await failureOf(result);
  await eventually(() => expect(life.told("sessionreplaced")).toHaveLength(1));
  expect(server.messages("logging/setLevel").map(({ params }) => params)).toEqual([{ level: "warning" }]);
  expect(server.messages("resources/subscribe").map(({ params }) => params)).toEqual([{ uri: "a:2" }]);
});

test("settings of an earlier life are given to a new session too", async () => {
  const server = await startServer({ capabilities: LISTS });
  const store = memoryStore();
  const first = await startLife(server.url, store);
  await first.client.setLoggingLevel("error");
  await first.client.close();
  server.sessions.clear();
  server.received.length = 0;
  const second = await startLife(server.url, store);
  await eventually(() => expect(second.told("sessionreplaced")).toHaveLength(1));
  expect(server.messages("logging/setLevel").map(({ params }) => params)).toEqual([{ level: "error" }]);
});

test("a setting that the new session refuses is reported, and the session is used all the same", async () => {
  const server = await startServer({ capabilities: LISTS });
  const life = await startLife(server.url);
  await life.client.subscribeResource({ uri: "a:1" });
  server.refuse = ({ rpc }) => (rpc === "resources/subscribe" ? 403 : undefined);
  server.sessions.clear();
  const { result } = callTool(life, "work");
  (await server.call("work")).result(textResult("all the same"));
  expect(textOf(await result)).toBe("all the same");
  expect(life.errors).toMatchObject([{ code: "unauthorized" }]);
  expect(server.count("initialize")).toBe(2);
});

test("the app's caches refresh: each list that the server has is said to have changed", async () => {
  const server = await startServer({ capabilities: LISTS });
  const life = await startLife(server.url);
  const changed: string[] = [];
  life.client.fallbackNotificationHandler = async ({ method }) => void changed.push(method);
  server.sessions.clear();
  const { result } = callTool(life, "work");
  (await server.call("work")).result(textResult("x"));
  await result;
  expect(changed.toSorted()).toEqual([
    "notifications/prompts/list_changed",
    "notifications/resources/list_changed",
    "notifications/tools/list_changed",
  ]);
});

test("a call whose own POST was answered 404 runs in the new session, whatever it does", async () => {
  const server = await startServer();
  const life = await startLife(server.url);
  server.sessions.clear();
  const { result, seen } = callTool(life, "work");
  const call = await server.call("work");
  call.progress(1);
  call.result(textResult("ran once"));
  expect(textOf(await result)).toBe("ran once");
  expect(seen).toEqual([1]);
  expect(server.calls).toHaveLength(1);
});

test("a read that was running is made again in the new session, and is resumed there after a reload", async () => {
  const server = await startServer();
  const store = openStore();
  const life = await startLife(server.url, store);
  const listed = life.client.listTools();
  listed.catch(() => undefined);
  const lost = await server.call("tools/list");
  await eventually(() => expect(store.records.at(-1)?.calls[0]?.cursor).toBeDefined());
  server.sessions.clear();
  lost.stream.cut();
  const call = await server.call("tools/list", 1);
  await eventually(() => {
    const [saved] = store.records.at(-1)!.calls;
    expect(saved?.cursor).toContain(server.session.id);
    expect(saved).not.toHaveProperty("session");
  });
  await life.client.close();

  const { transport } = await startLife(server.url, store);
  call.result({ tools: [{ name: "found" }] });
  expect(await transport.interrupted()[0]!.result).toEqual({ tools: [{ name: "found" }] });
});

test("a read that is made again keeps nothing of its old stream, however late that is acknowledged", async () => {
  const server = await startServer({ priming: false });
  const store = openStore();
  const life = await startLife(server.url, store, { ack: "manual" });
  life.client.listTools().catch(() => undefined);
  const lost = await server.call("tools/list");
  const saved = () => store.records.at(-1)?.calls[0];
  lost.progress(1);
  await eventually(() => expect(life.told("cursor")).toHaveLength(1));
  life.transport.ack();
  await eventually(() => expect(saved()?.cursor).toBeDefined());
  lost.progress(2);
  await eventually(() => expect(life.told("cursor")).toHaveLength(3));
  server.sessions.clear();
  lost.stream.cut();
  await server.call("tools/list", 1);
  life.transport.ack();
  await life.client.close();
  expect(saved()).toMatchObject({ method: "tools/list" });
  expect(saved()).not.toHaveProperty("cursor");
});

test("a read that ran in the lost session and is refused in the new one may have been executed", async () => {
  const server = await startServer();
  const life = await startLife(server.url);
  const listed = life.client.listTools();
  const lost = await server.call("tools/list");
  await eventually(() => expect(life.told("cursor")).not.toEqual([]));
  server.sessions.clear();
  server.refuse = ({ rpc }) => (rpc === "tools/list" ? 403 : undefined);
  lost.stream.cut();
  expect(await failureOf(listed)).toMatchObject({ code: "unauthorized", maybeExecuted: true });
});

test("a call that loses each session at once is given up after the third, and storms nobody", async () => {
  const server = await startServer({ get: 405 });
  // Half of it: a delay that grows.
  const life = await startLife(server.url, memoryStore(), { random: () => 0.001 });
  server.refuse = ({ rpc }) => (rpc === "tools/call" ? 404 : undefined);
  const { result } = callTool(life, "work");
  expect(await failureOf(result)).toMatchObject({ code: "session-lost", maybeExecuted: false });
  expect(server.count("initialize")).toBeLessThanOrEqual(4);
});

test("a server that forgets each session at once is asked for a new one ever more rarely", async () => {
  const server = await startServer();
  const life = await startLife(server.url, memoryStore(), { random: () => 0.2 });
  const times: number[] = [];
  server.refuse = ({ method, rpc }: Received) => {
    if (rpc === "initialize") times.push(performance.now());
    return method === "GET" || rpc === "ping" ? 404 : undefined;
  };
  server.sessions.clear();
  await eventually(() => expect(times.length).toBeGreaterThanOrEqual(4));
  await life.client.close();
  // At once, then 0.2 of 0.5, 1 and 2 s; a timer may fire up to a millisecond early.
  const gaps = times.slice(1, 4).map((at, n) => at - times[n]!);
  for (const [n, least] of [99, 199, 399].entries()) expect(gaps[n]).toBeGreaterThanOrEqual(least);
});

test("when no new session can be made, the calls fail as what they are, and the next call tries again", async () => {
  const server = await startServer();
  const life = await startLife(server.url);
  const { result, seen } = callTool(life, "work");
  const call = await server.call("work");
  call.progress(1);
  await eventually(() => expect(seen).toEqual([1]));
  server.sessions.clear();
  server.refuse = ({ rpc }) => (rpc === "initialize" ? 403 : undefined);
  server.cut();
  const error = await failureOf(result);
  expect(error).toMatchObject({ code: "session-lost", maybeExecuted: true });
  expect(error.cause).toMatchObject({ code: "unauthorized" });
  expect(life.told("sessionreplaced")).toEqual([]);

  server.refuse = () => undefined;
  const next = callTool(life, "next");
  (await server.call("next")).result(textResult("next"));
  expect(textOf(await next.result)).toBe("next");
  await server.listening();
});

test("a life that ended before the server was told that the handshake is over leaves no half of one", async () => {
  const server = await startServer();
  const store = memoryStore();
  server.refuse = ({ rpc }) => (rpc === "notifications/initialized" ? 403 : undefined);
  await expect(startLife(server.url, store)).rejects.toMatchObject({ code: "unauthorized" });
  server.refuse = () => undefined;
  await startLife(server.url, store);
  expect(server.count("initialize")).toBe(2);
  expect(server.count("notifications/initialized")).toBe(2);
});

test("an error answer to initialize reaches the SDK's client, and is not saved", async () => {
  const server = await startServer();
  const store = memoryStore();
  server.refuse = ({ message, rpc }) =>
    rpc === "initialize"
      ? (response) => {
          const id = message !== undefined && "id" in message ? message.id : undefined;
          response.writeHead(200, { "Content-Type": "application/json" });
          response.end(JSON.stringify({ jsonrpc: "2.0", id, error: { code: -32000, message: "not today" } }));
        }
      : undefined;
  await expect(startLife(server.url, store)).rejects.toThrow("not today");
  server.refuse = () => undefined;
  const life = await startLife(server.url, store);
  expect(life.client.getServerCapabilities()).toMatchObject({ tools: {} });
});

test("a new session that the server never grants is waited for no longer than maxElapsedMs, or until the call is given up", async () => {
  const server = await startServer();
  const life = await startLife(server.url, memoryStore(), { maxElapsedMs: 500 });
  const abort = new AbortController();
  const calls = [callTool(life, "a", { signal: abort.signal }), callTool(life, "b")];
  await server.call("b");
  server.refuse = ({ rpc }) => (rpc === "initialize" ? () => undefined : 404);
  server.cut();
  await eventually(() => expect(server.count("initialize")).toBe(2));
  abort.abort();
  await expect(calls[0]!.result).rejects.toThrow();
  expect(await failureOf(calls[1]!.result)).toMatchObject({ code: "session-lost", maybeExecuted: true });
});

test("calls of an earlier life run again in a new session where that does no harm; others say that they may have run", async () => {
  const server = await startServer();
  const store = openStore();
  const first = await startLife(server.url, store);
  const listed = first.client.listTools();
  listed.catch(() => undefined);
  callTool(first, "once");
  const [read, once] = [await server.call("tools/list"), await server.call("once")];
  await eventually(() => expect(store.records.at(-1)?.calls.every(({ cursor }) => cursor)).toBe(true));
  await first.client.close();
  server.sessions.clear();

  const second = await startLife(server.url, store);
  const [reading, calling] = ["tools/list", "tools/call"].map(
    (name) => second.transport.interrupted().find(({ method }) => method === name)!.result,
  );
  expect(await failureOf(calling!)).toMatchObject({ code: "session-lost", maybeExecuted: true });
  const again = await server.call("tools/list", 1);
  again.result({ tools: [] });
  expect(await reading).toEqual({ tools: [] });
  expect([again.message.id, server.calls.length]).toEqual([read.message.id, 3]);
  expect([once.message.method, server.count("initialize")]).toEqual(["tools/call", 2]);
});

test("a notification that meets a lost session makes a new one, and is sent there", async () => {
  const server = await startServer({ get: 405 });
  const { client, told } = await startLife(server.url, memoryStore(), {
    capabilities: { roots: { listChanged: true } },
  });
  server.sessions.clear();
  await client.sendRootsListChanged();
  const sessions = server.received.flatMap(({ headers, rpc }) =>
    rpc === "notifications/roots/list_changed" ? [headers["mcp-session-id"]] : [],
  );
  expect(sessions).toHaveLength(2);
  expect(sessions[1]).toBe(server.session.id);
  expect(told("sessionreplaced")).toHaveLength(1);
});

test("what an interrupted request has set for the session is set in the next one too", async () => {
  const server = await startServer({ capabilities: LISTS });
  const store = openStore();
  const first = await startLife(server.url, store);
  // Answered only after the reload.
  server.refuse = ({ method, rpc }) => {
    if (rpc === "resources/subscribe") return (response) => response.destroy();
    return method === "GET" ? 503 : undefined;
  };
  first.client.subscribeResource({ uri: "a:1" }).catch(() => undefined);
  await eventually(() => expect(server.count("resources/subscribe")).toBeGreaterThan(0));
  await first.client.close();
  server.refuse = () => undefined;

  const second = await startLife(server.url, store);
  expect(await second.transport.interrupted()[0]!.result).toEqual({});
  await eventually(() => expect(store.records.at(-1)?.subscriptions).toEqual(["a:1"]));
});
