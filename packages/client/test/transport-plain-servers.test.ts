import { expect, test } from "vitest";
import { memoryStore } from "../src/index.js";
import { callTool, failureOf, openStore, startLife, textOf, textResult } from "./sdk/clients.js";
import { startServer } from "./sdk/mcp-server.js";
import { eventually } from "./sdk/eventually.js";

test("a server in JSON mode that listens to no GET: calls work, in parallel, without a word", async () => {
  const server = await startServer({ json: true, get: 405 });
  const life = await startLife(server.url);
  const calls = Array.from({ length: 5 }, (_, n) => callTool(life, `work${n}`));
  await eventually(() => expect(server.calls).toHaveLength(5));
  for (const call of server.calls.toReversed()) call.result(textResult(String(call.message.params?.name)));
  for (const [n, { result }] of calls.entries()) expect(textOf(await result)).toBe(`work${n}`);
  expect(life.errors).toEqual([]);
  expect(server.count("GET")).toBe(1);
});

test("in JSON mode a call that broke is not sent again", async () => {
  const server = await startServer({ json: true, get: 405 });
  const life = await startLife(server.url);
  const { result } = callTool(life, "work");
  await server.call("work");
  server.cut();
  expect(await failureOf(result)).toMatchObject({ code: "interrupted", maybeExecuted: true });
  expect(server.count("tools/call")).toBe(1);
});

test("in JSON mode a reload leaves the call interrupted, and the next life connects all the same", async () => {
  const server = await startServer({ json: true, get: 405 });
  const store = memoryStore();
  const first = await startLife(server.url, store);
  callTool(first, "work");
  await server.call("work");
  await first.client.close();
  const { transport } = await startLife(server.url, store);
  const interrupted = transport.interrupted()[0]!;
  expect(interrupted.params).toMatchObject({ name: "work" });
  expect(await failureOf(interrupted.result)).toMatchObject({ code: "interrupted", maybeExecuted: true });
});

test("a server without session ids: calls and the standalone stream work, no session header is sent", async () => {
  const server = await startServer({ sessions: false });
  const store = memoryStore();
  for (let life = 0; life < 2; life += 1) {
    const { client, transport, errors, ...rest } = await startLife(server.url, store);
    const { result } = callTool({ client, transport, errors, ...rest }, "work");
    (await server.call("work", life)).result(textResult("plain"));
    expect(textOf(await result)).toBe("plain");
    await server.listening();
    expect(transport.sessionId).toBeUndefined();
    expect(errors).toEqual([]);
    await client.close();
  }
  expect(server.count("initialize")).toBe(1);
  expect(server.received.every(({ headers }) => headers["mcp-session-id"] === undefined)).toBe(true);
});

test("a server without session ids that routes only POST is not asked for new sessions", async () => {
  const server = await startServer({ sessions: false, get: 404, eventIds: false });
  const life = await startLife(server.url);
  await eventually(() => expect(server.count("GET")).toBe(1));
  for (let n = 0; n < 3; n += 1) await life.client.ping();
  expect(server.count("GET")).toBe(1);
  expect(server.count("initialize")).toBe(1);
  expect(life.errors).toEqual([]);
  expect(life.told("sessionreplaced")).toEqual([]);
});

test("a server without event ids: messages come in order; a call that broke is not sent again", async () => {
  const server = await startServer({ eventIds: false });
  const life = await startLife(server.url);
  const { result, seen } = callTool(life, "work");
  const call = await server.call("work");
  call.progress(1, 2, 3);
  call.result(textResult("plain"));
  expect(textOf(await result)).toBe("plain");
  expect(seen).toEqual([1, 2, 3]);
  const broken = callTool(life, "broken");
  const cut = await server.call("broken");
  cut.progress(1);
  await eventually(() => expect(broken.seen).toEqual([1]));
  cut.stream.cut();
  expect(await failureOf(broken.result)).toMatchObject({ code: "interrupted", maybeExecuted: true });
  expect(server.count("tools/call")).toBe(2);
  expect(life.errors).toEqual([]);
});

test("a standalone stream that a server accepts and closes at once is not asked for in a storm", async () => {
  const server = await startServer({ eventIds: false });
  // The delays double from half a second.
  const life = await startLife(server.url, memoryStore(), { random: () => 0.999 });
  const times: number[] = [];
  server.refuse = ({ method }) => {
    if (method !== "GET") return undefined;
    times.push(performance.now());
    return (response) => response.writeHead(200, { "Content-Type": "text/event-stream" }).end();
  };
  await eventually(() => expect(times.length).toBeGreaterThanOrEqual(4));
  // At once, then 0.5 s and 1 s.
  expect(times[3]! - times[0]!).toBeGreaterThan(1_400);
  expect(life.errors).toEqual([]);
});

test("in an older revision there is no priming: a call is resumed from its first event on", async () => {
  const server = await startServer({ priming: false, protocolVersion: "2025-03-26" });
  const store = openStore();
  const first = await startLife(server.url, store);
  const { seen } = callTool(first, "work");
  const call = await server.call("work");
  call.progress(1);
  await eventually(() => expect(seen).toEqual([1]));
  call.stream.cut();
  call.progress(2);
  await eventually(() => expect(seen).toEqual([1, 2]));
  await eventually(() => expect(store.records.at(-1)?.calls[0]?.cursor).toContain(":2"));
  await first.client.close();
  const second = await startLife(server.url, store);
  const { result } = second.transport.interrupted()[0]!;
  call.result(textResult("old"));
  expect(textOf(await result)).toBe("old");
  expect([...first.errors, ...second.errors]).toEqual([]);
});

test("in an older revision, a call cut before its first event fails, typed", async () => {
  const server = await startServer({ priming: false, protocolVersion: "2025-06-18" });
  const life = await startLife(server.url);
  const { result } = callTool(life, "work");
  (await server.call("work")).stream.cut();
  expect(await failureOf(result)).toMatchObject({ code: "interrupted", maybeExecuted: true });
  expect(server.calls).toHaveLength(1);
});

test("a server that resumes no stream (405 on GET with a cursor) fails the call that broke, typed, once", async () => {
  const server = await startServer();
  const life = await startLife(server.url);
  server.refuse = ({ method }) => (method === "GET" ? 405 : undefined);
  const { result } = callTool(life, "work");
  (await server.call("work")).stream.cut();
  expect(await failureOf(result)).toMatchObject({ code: "not-resumable", maybeExecuted: true, status: 405 });
  await life.client.ping();
});
