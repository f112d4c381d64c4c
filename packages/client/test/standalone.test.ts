import { expect, test } from "vitest";
import type { JsonRpcMessage } from "../src/index.js";
import { type Life, openStore, startLife } from "./sdk/clients.js";
import { type McpServer, startServer } from "./sdk/mcp-server.js";
import { eventually } from "./sdk/eventually.js";

const news = (data: number): JsonRpcMessage => ({
  jsonrpc: "2.0",
  method: "notifications/message",
  params: { level: "info", data },
});

/** Notes the numbers in the server's log messages. */
function listen({ client }: Life): unknown[] {
  const heard: unknown[] = [];
  client.fallbackNotificationHandler = async ({ params }) => void heard.push(params?.data);
  return heard;
}

const send = (server: McpServer, ...numbers: readonly number[]): void => {
  for (const n of numbers) server.session.listening.append(news(n));
};

test("the standalone stream opens after the handshake, and is resumed when it breaks", async () => {
  const server = await startServer();
  const life = await startLife(server.url);
  const heard = listen(life);
  await server.listening();
  send(server, 1);
  await eventually(() => expect(heard).toEqual([1]));
  server.session.listening.cut();
  send(server, 2, 3);
  await eventually(() => expect(heard).toEqual([1, 2, 3]));
  expect(life.told("gap")).toEqual([]);
  expect(life.errors).toEqual([]);
});

test("after a reload it goes on from its own cursor", async () => {
  const server = await startServer();
  const store = openStore();
  const first = await startLife(server.url, store);
  const heard = listen(first);
  await server.listening();
  send(server, 1, 2);
  await eventually(() => expect(heard).toEqual([1, 2]));
  await eventually(() => expect(store.records.at(-1)?.listenCursor).toContain(":2"));
  await first.client.close();
  send(server, 3);
  const second = await startLife(server.url, store);
  const again = listen(second);
  send(server, 4);
  await eventually(() => expect(again).toEqual([3, 4]));
});

test("a server that offers none, with whatever status a router has for that, is asked once, without a word", async () => {
  for (const status of [405, 404, 400]) {
    const server = await startServer({ get: status });
    const life = await startLife(server.url);
    await eventually(() => expect(server.count("GET")).toBe(1));
    await life.client.ping();
    expect(server.count("initialize")).toBe(1);
    expect(server.count("GET")).toBe(1);
    expect(life.errors).toEqual([]);
    expect(life.transport.status.state).toBe("live");
    await life.client.close();
  }
});

test("a refusal that means something is reported once, and the calls go on", async () => {
  const server = await startServer({ get: 403 });
  const life = await startLife(server.url);
  await eventually(() => expect(life.errors).toMatchObject([{ code: "unauthorized" }]));
  await life.client.ping();
  expect(server.count("GET")).toBe(1);
});

test("while the server believes in a dead connection (409) it is asked again, and what was missed is a gap", async () => {
  const server = await startServer();
  let conflicts = 0;
  server.refuse = ({ method }) => (method === "GET" && ++conflicts <= 3 ? 409 : undefined);
  const life = await startLife(server.url);
  await server.listening();
  await eventually(() =>
    expect(life.told("gap")).toEqual([{ stream: { id: undefined, method: undefined }, missed: undefined }]),
  );
});

test("a cursor that the server no longer knows is a gap of unknown size, and the stream goes on from now", async () => {
  const server = await startServer();
  const life = await startLife(server.url);
  const heard = listen(life);
  await server.listening();
  send(server, 1);
  await eventually(() => expect(heard).toEqual([1]));
  const { session } = server;
  session.streams.splice(session.streams.indexOf(session.listening), 1);
  session.listening.cut();
  await eventually(() => expect(session.listening.connections).toBe(2));
  send(server, 2);
  await eventually(() => expect(heard).toEqual([1, 2]));
  expect(life.told("gap")).toEqual([{ stream: { id: undefined, method: undefined }, missed: undefined }]);
  expect(life.told("sessionreplaced")).toEqual([]);
});

test("a lost session that only the standalone stream notices is replaced, and the stream opens there", async () => {
  const server = await startServer();
  const life = await startLife(server.url);
  const heard = listen(life);
  await server.listening();
  send(server, 1);
  await eventually(() => expect(heard).toEqual([1]));
  const before = server.session;
  server.received.length = 0;
  server.sessions.clear();
  before.listening.cut();
  await eventually(() => expect(life.told("sessionreplaced")).toHaveLength(1));
  await server.listening();
  expect(server.session).not.toBe(before);
  send(server, 2);
  await eventually(() => expect(heard).toContain(2));
  // Once with the cursor, which told that the session is lost; then from the beginning of the new one.
  const cursors = server.received
    .filter(({ method }) => method === "GET")
    .map(({ headers }) => headers["last-event-id"] !== undefined);
  expect(cursors).toEqual([true, false]);
  expect(life.told("gap")).toEqual([]);
});

test("close() while a lost session is being replaced is no error", async () => {
  const server = await startServer();
  const life = await startLife(server.url);
  await server.listening();
  let asked = 0;
  server.refuse = ({ rpc }) => (rpc === "initialize" ? () => void (asked += 1) : undefined);
  const { listening } = server.session;
  server.sessions.clear();
  listening.cut();
  await eventually(() => expect(asked).toBe(1));
  await life.client.close();
  await Promise.resolve();
  expect(life.errors).toEqual([]);
});

test("a cursor of the lost session, acknowledged late, does not end up in the new one", async () => {
  const server = await startServer();
  const store = openStore();
  const life = await startLife(server.url, store, { ack: "manual" });
  const heard = listen(life);
  await server.listening();
  send(server, 1);
  await eventually(() => expect(heard).toEqual([1]));
  const before = server.session;
  server.sessions.clear();
  before.listening.cut();
  await eventually(() => expect(life.told("sessionreplaced")).toHaveLength(1));
  life.transport.ack();
  await life.client.close();
  expect(store.records.at(-1)?.session.id).toBe(server.session.id);
  expect(store.records.at(-1)?.listenCursor).toBeUndefined();
});

test("a stream that gave up in an outage opens again after the next request that gets through", async () => {
  const server = await startServer();
  const life = await startLife(server.url, undefined, { maxElapsedMs: 300 });
  await server.listening();
  server.refuse = ({ method }) => (method === "GET" ? 503 : undefined);
  server.cut();
  await eventually(() => expect(life.errors).toMatchObject([{ code: "gave-up" }]));
  server.refuse = () => undefined;
  await life.client.ping();
  await server.listening();
});

test("one whose login has run out, as only a ping tells, opens again after the next request that gets through", async () => {
  const server = await startServer();
  const life = await startLife(server.url);
  await server.listening();
  server.refuse = ({ method, rpc }) => (rpc === "ping" ? 401 : method === "GET" ? 400 : undefined);
  server.session.listening.cut();
  await eventually(() => expect(life.errors).toMatchObject([{ code: "unauthorized" }]));
  server.refuse = () => undefined;
  await life.client.ping();
  await server.listening();
});
