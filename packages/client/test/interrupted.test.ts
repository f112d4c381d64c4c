import { expect, test } from "vitest";
import { memoryStore } from "../src/index.js";
import { callTool, failureOf, openStore, prepareLife, startLife, textOf, textResult } from "./sdk/clients.js";
import { startServer } from "./sdk/mcp-server.js";
import { eventually } from "./sdk/eventually.js";

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i);

/** A life that ends while `work` runs, after it saw progress 1 to 3. */
async function reloadInCall(serverOptions = {}, key?: string) {
  const server = await startServer(serverOptions);
  const store = memoryStore();
  const first = await startLife(server.url, store);
  const { seen } = callTool(first, "work", key === undefined ? {} : { key });
  const call = await server.call("work");
  call.progress(1, 2, 3);
  await eventually(() => expect(seen).toEqual([1, 2, 3]));
  await first.client.close();
  return { server, store, call, first };
}

test("a reload connects without a round trip, with the capabilities, in the same session", async () => {
  const { server, store, first } = await reloadInCall();
  const before = server.received.length;
  const second = await startLife(server.url, store);
  expect(server.received).toHaveLength(before);
  expect(second.client.getServerCapabilities()).toEqual(first.client.getServerCapabilities());
  expect(second.client.getServerCapabilities()).toMatchObject({ tools: {} });
  expect(second.transport.sessionId).toBe(server.session.id);
  expect(server.sessions.size).toBe(1);
});

test("the interrupted call is listed with its method and parameters, goes on, and finishes in order", async () => {
  const { server, store, call } = await reloadInCall();
  call.progress(4, 5);
  const { transport } = await startLife(server.url, store);
  const [interrupted, ...others] = transport.interrupted();
  expect(others).toEqual([]);
  expect(interrupted).toMatchObject({ method: "tools/call", params: { name: "work", arguments: {} } });
  const seen: unknown[] = [];
  interrupted!.onprogress = ({ progress }) => seen.push(progress);
  call.progress(6);
  await eventually(() => expect(seen).toEqual([4, 5, 6]));
  call.result(textResult("finished"));
  expect(textOf(await interrupted!.result)).toBe("finished");
  expect(seen).toEqual([4, 5, 6]);
  expect(transport.interrupted()).toEqual([]);
  expect(server.calls).toHaveLength(1);
});

test("what comes again after a reload is above the persisted cursor", async () => {
  const server = await startServer();
  const store = memoryStore();
  const first = await startLife(server.url, store, { ack: "manual" });
  const { seen } = callTool(first, "work");
  const call = await server.call("work");
  call.progress(...range(1, 5));
  await eventually(() => expect(seen).toEqual(range(1, 5)));
  first.transport.ack();
  call.progress(6, 7);
  await eventually(() => expect(seen).toEqual(range(1, 7)));
  await first.client.close();

  const { transport } = await startLife(server.url, store);
  const again: unknown[] = [];
  transport.interrupted()[0]!.onprogress = ({ progress }) => again.push(progress);
  call.progress(8);
  await eventually(() => expect(again).toEqual([6, 7, 8]));
});

test("the pause before a resume is saved with the cursor that it came up to", async () => {
  const server = await startServer();
  const store = openStore();
  const life = await startLife(server.url, store, { ack: "manual" });
  const { seen } = callTool(life, "work");
  const call = await server.call("work");
  call.stream.retry(10);
  call.progress(1);
  await eventually(() => expect(seen).toEqual([1]));
  life.transport.ack();
  call.stream.retry(20);
  call.progress(2);
  await eventually(() => expect(seen).toEqual([1, 2]));
  const saved = store.records.length;
  callTool(life, "other");
  await eventually(() => expect(store.records.slice(saved).at(-1)?.calls).toHaveLength(2));
  expect(store.records.at(-1)?.calls[0]?.retryMs).toBe(10);
  life.transport.ack();
  await eventually(() => expect(store.records.at(-1)?.calls[0]?.retryMs).toBe(20));
});

test("a call claimed after its response came gets everything, in order", async () => {
  const { server, store, call } = await reloadInCall();
  const { transport } = await startLife(server.url, store);
  call.progress(4, 5);
  call.result(textResult("early"));
  await eventually(() => expect(call.stream.connections).toBe(2));
  await eventually(() => expect(call.stream.isConnected).toBe(false));
  const [interrupted] = transport.interrupted();
  const seen: unknown[] = [];
  const result = interrupted!.result;
  interrupted!.onprogress = ({ progress }) => seen.push(progress);
  expect(textOf(await result)).toBe("early");
  expect(seen).toEqual([4, 5]);
});

test("a call that no life claims is kept for the next one, whole", async () => {
  const { server, store, call } = await reloadInCall();
  const second = await startLife(server.url, store);
  call.progress(4);
  call.result(textResult("kept"));
  await eventually(() => expect(call.stream.connections).toBe(2));
  await eventually(() => expect(call.stream.isConnected).toBe(false));
  expect(second.transport.interrupted()).toHaveLength(1);
  await second.client.close();

  const third = await startLife(server.url, store);
  const seen: unknown[] = [];
  const [interrupted] = third.transport.interrupted();
  interrupted!.onprogress = ({ progress }) => seen.push(progress);
  expect(textOf(await interrupted!.result)).toBe("kept");
  expect(seen).toEqual([4]);
  await third.client.close();
  expect((await startLife(server.url, store)).transport.interrupted()).toEqual([]);
});

test("a claimed call that a second reload interrupts goes on in the third life", async () => {
  const { server, store, call } = await reloadInCall();
  const second = await startLife(server.url, store);
  const seen: unknown[] = [];
  const interrupted = second.transport.interrupted()[0]!;
  interrupted.onprogress = ({ progress }) => seen.push(progress);
  const lost = failureOf(interrupted.result);
  call.progress(4);
  await eventually(() => expect(seen).toEqual([4]));
  await second.client.close();
  expect(await lost).toMatchObject({ code: "closed" });

  const third = await startLife(server.url, store);
  const [again] = third.transport.interrupted();
  again!.onprogress = ({ progress }) => seen.push(progress);
  call.progress(5);
  call.result(textResult("third life"));
  expect(textOf(await again!.result)).toBe("third life");
  expect(seen).toEqual([4, 5]);
});

test("while nobody claims it, a call stops being read at the queue's limit, and loses nothing", async () => {
  const { server, store, call } = await reloadInCall();
  const { transport } = await startLife(server.url, store, { maxQueuedMessages: 2 });
  call.progress(...range(4, 500));
  call.result(textResult("all"));
  await eventually(() => expect(transport.interrupted()).toHaveLength(1));
  const seen: unknown[] = [];
  const [interrupted] = transport.interrupted();
  interrupted!.onprogress = ({ progress }) => seen.push(progress);
  expect(textOf(await interrupted!.result)).toBe("all");
  expect(seen).toEqual(range(4, 500));
});

test("onprogress may be set after the result was asked for, as long as it is in the same tick", async () => {
  const { server, store, call } = await reloadInCall();
  call.progress(4);
  call.result(textResult("x"));
  const { transport } = await startLife(server.url, store);
  const interrupted = transport.interrupted()[0]!;
  const { result } = interrupted;
  const seen: unknown[] = [];
  interrupted.onprogress = ({ progress }) => seen.push(progress);
  await result;
  expect(seen).toEqual([4]);
});

test("an error of the server rejects the result, typed, with the server's error as its cause", async () => {
  const { server, store, call } = await reloadInCall();
  const { transport } = await startLife(server.url, store);
  call.error(-32000, "out of paper");
  const { code, cause } = await failureOf(transport.interrupted()[0]!.result);
  expect(code).toBe("server");
  expect(cause).toEqual({ code: -32000, message: "out of paper" });
});

test("cancel() tells the server under the id on the wire, closes the stream and forgets the call", async () => {
  const { server, store, call } = await reloadInCall();
  const second = await startLife(server.url, store);
  await eventually(() => expect(call.stream.isConnected).toBe(true));
  const interrupted = second.transport.interrupted()[0]!;
  interrupted.cancel("not wanted");
  const { code } = await failureOf(interrupted.result);
  expect(code).toBe("closed");
  await eventually(() => expect(server.messages("notifications/cancelled")).toHaveLength(1));
  expect(server.messages("notifications/cancelled")[0]?.params).toEqual({
    requestId: call.message.id,
    reason: "not wanted",
  });
  await eventually(() => expect(call.stream.isConnected).toBe(false));
  await second.client.close();
  expect((await startLife(server.url, store)).transport.interrupted()).toEqual([]);
});

test("a call whose life ended before a cursor came is interrupted, and may have been executed", async () => {
  const server = await startServer({ priming: false });
  const store = memoryStore();
  const first = await startLife(server.url, store);
  callTool(first, "work");
  await server.call("work");
  await first.client.close();

  const second = await startLife(server.url, store);
  const interrupted = second.transport.interrupted()[0]!;
  expect(await failureOf(interrupted.result)).toMatchObject({ code: "interrupted", maybeExecuted: true });
  expect(server.calls).toHaveLength(1);
  await second.client.close();
  expect((await startLife(server.url, store)).transport.interrupted()).toEqual([]);
});

test("such a call runs once and finishes where the server deduplicates by idempotency key", async () => {
  const server = await startServer({ idempotent: true });
  const store = memoryStore();
  const first = await startLife(server.url, store);
  server.refuse = ({ rpc }) => (rpc === "tools/call" ? (response) => response.destroy() : undefined);
  callTool(first, "work");
  await eventually(() => expect(server.count("tools/call")).toBeGreaterThan(0));
  await first.client.close();

  server.refuse = () => undefined;
  const { transport } = await startLife(server.url, store);
  const seen: unknown[] = [];
  const interrupted = transport.interrupted()[0]!;
  interrupted.onprogress = ({ progress }) => seen.push(progress);
  const call = await server.call("work");
  call.progress(1);
  call.result(textResult("once"));
  expect(textOf(await interrupted.result)).toBe("once");
  expect(seen).toEqual([1]);
  const keys = server.received
    .filter(({ rpc }) => rpc === "tools/call")
    .map(({ headers }) => headers["idempotency-key"]);
  expect(new Set(keys).size).toBe(1);
});

test("sent again in a session that is gone by then, it may have been executed in its first life", async () => {
  const server = await startServer({ idempotent: true });
  const store = memoryStore();
  const first = await startLife(server.url, store);
  server.refuse = ({ rpc }) => (rpc === "tools/call" ? (response) => response.destroy() : undefined);
  callTool(first, "work");
  await eventually(() => expect(server.count("tools/call")).toBeGreaterThan(0));
  await first.client.close();
  server.refuse = () => undefined;
  server.sessions.clear();
  const { transport } = await startLife(server.url, store);
  const { result } = transport.interrupted()[0]!;
  expect(await failureOf(result)).toMatchObject({ code: "session-lost", maybeExecuted: true });
  expect(server.calls).toEqual([]);
});

test("parameters that were kept out of the record cannot be sent again, key or no key", async () => {
  const server = await startServer({ idempotent: true });
  const store = memoryStore();
  const first = await startLife(server.url, store, { saveParams: false });
  server.refuse = ({ rpc }) => (rpc === "tools/call" ? (response) => response.destroy() : undefined);
  callTool(first, "work");
  await eventually(() => expect(server.count("tools/call")).toBeGreaterThan(0));
  await first.client.close();
  const sent = server.count("tools/call");
  const { transport } = await startLife(server.url, store, { saveParams: false });
  const { result } = transport.interrupted()[0]!;
  expect(await failureOf(result)).toMatchObject({ code: "interrupted", maybeExecuted: true });
  expect(server.count("tools/call")).toBe(sent);
});

test("a server that can no longer replay fails the call with cursor-lost, claimed early or late", async () => {
  const { server, store, call } = await reloadInCall();
  call.session.streams.length = 0;
  const { transport } = await startLife(server.url, store);
  const interrupted = transport.interrupted()[0]!;
  await eventually(() => expect(server.count("ping")).toBe(1));
  expect(await failureOf(interrupted.result)).toMatchObject({ code: "cursor-lost", maybeExecuted: true });
  expect(server.calls).toHaveLength(1);
});

test("with saveParams off, no parameter reaches the store, and the call goes on all the same", async () => {
  const server = await startServer();
  const store = openStore();
  const first = await startLife(server.url, store, { saveParams: false });
  const { seen } = callTool(first, "secret-tool");
  const call = await server.call("secret-tool");
  call.progress(1);
  await eventually(() => expect(seen).toEqual([1]));
  await first.client.close();
  expect(store.records.length).toBeGreaterThan(0);
  expect(JSON.stringify(store.records)).not.toContain("secret-tool");

  const { transport } = await startLife(server.url, store, { saveParams: false });
  const interrupted = transport.interrupted()[0]!;
  expect(interrupted.params).toBeUndefined();
  call.result(textResult("open"));
  expect(textOf(await interrupted.result)).toBe("open");
});

test("a call that is given up before it went on says so at once, and the server is told", async () => {
  const { server, store } = await reloadInCall();
  const { transport } = await startLife(server.url, store);
  const interrupted = transport.interrupted()[0]!;
  const { result } = interrupted;
  interrupted.cancel("enough");
  expect(await failureOf(result)).toMatchObject({ code: "closed", maybeExecuted: true });
  await eventually(() => expect(server.count("notifications/cancelled")).toBe(1));
});

test("a request that shares in a call and is given up leaves it to whoever holds its result", async () => {
  const { server, store, call } = await reloadInCall({}, "k");
  const life = await startLife(server.url, store);
  const { result } = life.transport.interrupted()[0]!;
  const abort = new AbortController();
  const shared = callTool(life, "work", { key: "k", signal: abort.signal });
  abort.abort();
  await expect(shared.result).rejects.toThrow();
  call.result(textResult("finished"));
  expect(textOf(await result)).toBe("finished");
  expect(server.count("notifications/cancelled")).toBe(0);
});

test("a call that was claimed before the handshake fails when the transport is closed", async () => {
  const { server, store } = await reloadInCall();
  const { transport } = prepareLife(server.url, store);
  await transport.start();
  const { result } = transport.interrupted()[0]!;
  await transport.close();
  expect(await failureOf(result)).toMatchObject({ code: "closed" });
});
