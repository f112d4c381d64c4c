import { once } from "node:events";
import { expect, onTestFinished, test } from "vitest";
import { memoryStore, ResumableTransport } from "../src/index.js";
import { callTool, failureOf, openStore, prepareLife, startLife, textOf, textResult } from "./sdk/clients.js";
import { startServer } from "./sdk/mcp-server.js";
import { eventually } from "./sdk/eventually.js";

const PING = { jsonrpc: "2.0", id: 1, method: "ping" } as const;

test("before start() and after close(), send() fails with a typed error", async () => {
  const server = await startServer();
  const transport = new ResumableTransport(server.url, { store: memoryStore() });
  const early = await failureOf(transport.send(PING));
  expect(early).toMatchObject({ code: "closed" });
  expect(early.message).toContain("not started");
  await transport.start();
  await transport.close();
  expect(await failureOf(transport.send(PING))).toMatchObject({ code: "closed" });
  expect(server.received).toEqual([]);
});

test("start() works once, and not after close()", async () => {
  const server = await startServer();
  const transport = new ResumableTransport(server.url, { store: memoryStore() });
  await transport.start();
  expect(await failureOf(transport.start())).toMatchObject({ code: "closed" });
  await transport.close();
  expect(await failureOf(transport.start())).toMatchObject({ code: "closed" });
  const closed = new ResumableTransport(server.url, { store: memoryStore() });
  await closed.close();
  expect(await failureOf(closed.start())).toMatchObject({ code: "closed" });
});

test("close() is idempotent: each waits for the same end, and onclose is called once", async () => {
  const server = await startServer();
  const { client, transport } = await startLife(server.url);
  let closed = 0;
  client.onclose = () => (closed += 1);
  await Promise.all([client.close(), transport.close(), transport.close()]);
  await transport.close();
  expect(closed).toBe(1);
  expect(transport.status).toEqual({ state: "closed" });
});

test("close() during start() gives the slot back", async () => {
  const server = await startServer();
  let acquired: (() => void) | undefined;
  let released = 0;
  const inner = memoryStore();
  const transport = new ResumableTransport(server.url, {
    store: {
      async acquire(scope, signal) {
        await new Promise<void>((resolve) => (acquired = resolve));
        const slot = await inner.acquire(scope, new AbortController().signal);
        expect(signal.aborted).toBe(true);
        return { ...slot, release: () => ((released += 1), slot.release()) };
      },
    },
  });
  const starting = failureOf(transport.start());
  await eventually(() => expect(acquired).toBeDefined());
  const closing = transport.close();
  acquired!();
  await closing;
  expect(await starting).toMatchObject({ code: "closed" });
  await eventually(() => expect(released).toBe(1));
});

test("sessionId is undefined until the handshake is over, also when it is restored", async () => {
  const server = await startServer();
  const store = memoryStore();
  for (let life = 1; life <= 2; life += 1) {
    const { client, transport } = prepareLife(server.url, store);
    const starting = transport.start.bind(transport);
    let afterStart: unknown = "not started";
    transport.start = async () => {
      await starting();
      afterStart = transport.sessionId;
    };
    await client.connect(transport);
    expect(afterStart).toBeUndefined();
    expect(transport.sessionId).toBe(server.session.id);
    await client.close();
  }
  expect(server.count("initialize")).toBe(1);
});

test("the negotiated protocol version is sent from the first request after the handshake on, and after a reload", async () => {
  const server = await startServer({ protocolVersion: "2025-06-18" });
  const store = memoryStore();
  for (let life = 1; life <= 2; life += 1) {
    const { client } = await startLife(server.url, store);
    await client.ping();
    await server.listening();
    await client.close();
  }
  const versions = server.received
    .filter(({ rpc }) => rpc !== "initialize")
    .map(({ headers }) => headers["mcp-protocol-version"]);
  expect(new Set(versions)).toEqual(new Set(["2025-06-18"]));
});

test("a resumption token of the SDK is refused with a hint, not ignored", async () => {
  const server = await startServer();
  const { transport } = await startLife(server.url);
  const error = await failureOf(transport.send(PING, { resumptionToken: "x" }));
  expect(error).toMatchObject({ code: "invalid-option" });
  expect(error.message).toContain("interrupted()");
});

test("close() saves what was handed over in its very tick", async () => {
  const server = await startServer();
  const store = memoryStore();
  const first = await startLife(server.url, store);
  let handled = 0;
  const result = first.client.callTool({ name: "work", arguments: {} }, undefined, {
    onprogress: ({ progress }) => {
      handled = progress;
      void first.client.close();
    },
  });
  result.catch(() => undefined);
  const call = await server.call("work");
  call.progress(1);
  await eventually(() => expect(first.transport.status.state).toBe("closed"));
  expect(handled).toBe(1);
  const second = await startLife(server.url, store);
  const seen: unknown[] = [];
  second.transport.interrupted()[0]!.onprogress = ({ progress }) => seen.push(progress);
  call.progress(2);
  await eventually(() => expect(seen).toEqual([2]));
});

test("close() hands the slot to the next client at once", async () => {
  const server = await startServer();
  const store = openStore();
  const first = await startLife(server.url, store);
  await first.client.close();
  const second = await startLife(server.url, store);
  expect(second.transport.sessionId).toBe(first.transport.sessionId);
});

test("terminateSession() ends the session, forgets the state, and rejects what was running", async () => {
  const server = await startServer();
  const store = memoryStore();
  const first = await startLife(server.url, store);
  const { result } = callTool(first, "work");
  const call = await server.call("work");
  await first.transport.terminateSession();
  expect(server.count("DELETE")).toBe(1);
  expect(server.sessions.size).toBe(0);
  expect(first.transport.sessionId).toBeUndefined();
  call.stream.cut();
  expect(await failureOf(result)).toMatchObject({ code: "session-lost", maybeExecuted: true });
  await first.client.close();

  const second = await startLife(server.url, store);
  expect(second.transport.interrupted()).toEqual([]);
  expect(server.count("initialize")).toBe(2);
});

test.each([404, 405])("a server that answers DELETE with %d is no error", async (status) => {
  const server = await startServer();
  const { transport } = await startLife(server.url);
  server.refuse = ({ method }) => (method === "DELETE" ? status : undefined);
  await transport.terminateSession();
  expect(server.count("DELETE")).toBe(1);
});

test("a refused or unheard DELETE is a typed error, and the state is forgotten all the same", async () => {
  const server = await startServer();
  for (const [refusal, code] of [
    [500, "http"],
    [(response: { destroy: () => void }) => response.destroy(), "gave-up"],
  ] as const) {
    const store = memoryStore();
    const { client, transport } = await startLife(server.url, store);
    server.refuse = ({ method }) => (method === "DELETE" ? refusal : undefined);
    expect(await failureOf(transport.terminateSession())).toMatchObject({ code });
    await client.close();
    const before = server.count("initialize");
    await startLife(server.url, store);
    expect(server.count("initialize")).toBe(before + 1);
  }
});

test("terminateSession() does nothing before start(), and fails, typed, after close()", async () => {
  const server = await startServer();
  const { client, transport } = prepareLife(server.url);
  await transport.terminateSession();
  await client.connect(transport);
  await client.close();
  expect(await failureOf(transport.terminateSession())).toMatchObject({ code: "closed" });
  expect(server.count("DELETE")).toBe(0);
});

test("the status goes from connecting over live and waiting to closed", async () => {
  const server = await startServer();
  const life = prepareLife(server.url);
  expect(life.transport.status).toEqual({ state: "connecting" });
  await life.client.connect(life.transport);
  const { result } = callTool(life, "work");
  const call = await server.call("work");
  await server.listening();
  call.stream.cut();
  await eventually(() => expect(call.stream.connections).toBe(2));
  call.result(textResult("x"));
  await result;
  await life.client.close();
  const states = life.told("statuschange").map(({ state }) => state);
  expect(states[0]).toBe("live");
  expect(states).toContain("waiting");
  expect(states.at(-1)).toBe("closed");
  expect(life.told("resumed")).toMatchObject([{ stream: { method: "tools/call" }, attempts: 1 }]);
});

test("a gap that the server tells in band is an event with its number, and does not reach the SDK", async () => {
  const server = await startServer();
  const life = await startLife(server.url);
  const strange: unknown[] = [];
  life.client.fallbackNotificationHandler = async (notification) => void strange.push(notification);
  const { result } = callTool(life, "work");
  const call = await server.call("work");
  const params = { missed: 5, from: 2, to: 6 };
  call.stream.append({ jsonrpc: "2.0", method: "notifications/resumable-mcp/gap", params });
  call.result(textResult("rest"));
  await result;
  expect(life.told("gap")).toEqual([{ stream: { id: call.message.id, method: "tools/call" }, missed: 5 }]);
  expect(strange).toEqual([]);
});

test("progress of a task reaches its request after the response, on another stream", async () => {
  const server = await startServer();
  const { transport } = await startLife(server.url);
  await server.listening();
  const tokens: unknown[] = [];
  transport.onmessage = (message) => {
    if ("method" in message) tokens.push(message.params?.progressToken);
  };
  const params = { name: "work", _meta: { progressToken: 5 } };
  const sent = transport.send({ jsonrpc: "2.0", id: 900, method: "tools/call", params });
  const call = await server.call("work");
  const { progressToken } = call.message.params?._meta as { progressToken: unknown };
  call.result({ task: { taskId: "t", status: "working" } });
  await sent;
  server.session.listening.append({
    jsonrpc: "2.0",
    method: "notifications/progress",
    params: { progressToken, progress: 1 },
  });
  await eventually(() => expect(tokens).toEqual([5]));
});

test("twenty calls at once warn of no leak", async () => {
  const warnings: Error[] = [];
  const onWarning = (warning: Error): void => void warnings.push(warning);
  process.on("warning", onWarning);
  onTestFinished(() => void process.off("warning", onWarning));
  const server = await startServer();
  const life = await startLife(server.url);
  const calls = Array.from({ length: 20 }, (_, n) => callTool(life, `work${n}`));
  await eventually(() => expect(server.calls).toHaveLength(20));
  for (const call of server.calls) call.result(textResult("x"));
  for (const { result } of calls) expect(textOf(await result)).toBe("x");
  process.emitWarning("the last one");
  await once(process, "warning");
  expect(warnings.map(({ message }) => message)).toEqual(["the last one"]);
});

test("an app's handler that throws is reported, and the stream goes on", async () => {
  const server = await startServer();
  const transport = new ResumableTransport(server.url, { store: memoryStore() });
  onTestFinished(() => transport.close());
  const errors: unknown[] = [];
  transport.onerror = ({ message }) => errors.push(message);
  let thrown = 0;
  transport.onmessage = (message) => {
    if (!("method" in message)) return;
    thrown += 1;
    throw new Error(`handler ${thrown}`);
  };
  await transport.start();
  await transport.send({ jsonrpc: "2.0", id: 0, method: "initialize", params: {} });
  await transport.send({ jsonrpc: "2.0", method: "notifications/initialized" });
  const sent = transport.send({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "work" } });
  const call = await server.call("work");
  call.progress(1, 2);
  call.result({});
  await sent;
  expect(errors).toEqual(["handler 1", "handler 2"]);
});
