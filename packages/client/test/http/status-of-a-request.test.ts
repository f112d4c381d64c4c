import { describe, expect, it } from "vitest";
import type { Params } from "../../src/index.js";
import {
  type Answer,
  broken,
  event,
  inTurn,
  json,
  note,
  type Received,
  resultOf,
  scriptedServer,
  sse,
  status,
} from "../support/msw-server.js";
import { failureOf, openTransport, type OpenTransport } from "../support/open-transport.js";

const server = scriptedServer();
const done: Answer = (request) => json(resultOf(request));
const TOOL: Params = { name: "launch" };

/** The requests other than handshakes and pings. */
const sent = (): readonly Received[] =>
  server
    .calls()
    .filter(({ message }) => message && "id" in message && "method" in message && message.method !== "ping");

/** Teaches the client that `launch` is annotated as harmless. */
async function learn(open: OpenTransport, annotations: Params): Promise<void> {
  server.play({
    onCall: (request) => json({ ...resultOf(request), result: { tools: [{ name: "launch", annotations }] } }),
  });
  await open.call("tools/list");
}

/** What a request comes to before its answer begins, or before a cursor came: nobody can know whether it ran. */
const UNCERTAIN: readonly (readonly [string, Answer])[] = [
  ["a network that is down", broken],
  ["408", () => status(408)],
  ["500", () => status(500)],
  ["502", () => status(502)],
  ["503", () => status(503)],
  ["504", () => status(504)],
  ["a stream that broke before its first event", () => sse([], "cut")],
  ["a stream that was closed before its first event", () => sse([])],
  ["a stream that broke after an event without an id", () => sse([event({ data: note(1) })], "cut")],
  ["a stream that broke in the middle of its first event", () => sse(["id: 1\ndata: {"], "cut")],
  [
    "a stream whose cursor was cleared",
    () => sse([event({ id: "1", data: note(1) }), event({ id: "", data: "" })]),
  ],
];

describe.each(UNCERTAIN)("a request that came to %s", (_name, answer) => {
  it("fails with `interrupted`, may have been executed, and is sent no second time", async () => {
    server.play({ onCall: answer });
    const { call } = await openTransport();
    const error = await failureOf(call("tools/call", TOOL));
    expect(error).toMatchObject({ code: "interrupted", maybeExecuted: true });
    expect(sent()).toHaveLength(1);
  });

  it("is sent again when its method is a read", async () => {
    server.play({ onCall: inTurn(answer, answer, done) });
    const { call } = await openTransport();
    await call("tools/list");
    expect(sent()).toHaveLength(3);
    expect(new Set(sent().map(({ sessionId }) => sessionId))).toEqual(new Set(["s1"]));
  });

  it.each([{ readOnlyHint: true }, { idempotentHint: true }])(
    "is sent again when its tool has %o",
    async (hint) => {
      const open = await openTransport();
      await learn(open, hint);
      server.play({ onCall: inTurn(answer, done) });
      await open.call("tools/call", TOOL);
      expect(sent()).toHaveLength(2);
    },
  );

  it("is sent again, under the same key, where the server deduplicates by it", async () => {
    const capabilities = { experimental: { "resumable-mcp": { idempotency: true } } };
    server.play({
      onInitialize: (request) =>
        json(
          { ...resultOf(request), result: { protocolVersion: "2025-11-25", capabilities, serverInfo: {} } },
          { "Mcp-Session-Id": "s1" },
        ),
      onCall: inTurn(answer, done),
    });
    const { call } = await openTransport();
    await call("tools/call", TOOL);
    const keys = sent().map(({ headers }) => headers.get("Idempotency-Key"));
    expect(keys).toHaveLength(2);
    expect(keys[0]).toBe(keys[1]);
  });
});

describe("a request that is answered", () => {
  it.each([
    [401, "unauthorized"],
    [403, "unauthorized"],
    [405, "http"],
    [406, "http"],
    [409, "http"],
    [413, "http"],
    [302, "http"],
    [307, "http"],
  ])("%i fails with `%s`, was not executed, and is sent no second time", async (code, expected) => {
    server.play({ onCall: () => status(code) });
    const { call } = await openTransport();
    const error = await failureOf(call("tools/list"));
    expect(error).toMatchObject({ code: expected, status: code, maybeExecuted: false });
    expect(sent()).toHaveLength(1);
  });

  it("429 was not executed: it is sent again", async () => {
    server.play({
      onCall: inTurn(
        () => status(429),
        () => status(429),
        done,
      ),
    });
    const { call } = await openTransport();
    await call("tools/call", TOOL);
    expect(sent()).toHaveLength(3);
  });

  it("404 was not executed: it is sent again, once, into the new session", async () => {
    server.play({ onCall: inTurn(() => status(404), done) });
    const { call, told, transport } = await openTransport();
    await call("tools/call", TOOL);
    expect(sent().map(({ sessionId }) => sessionId)).toEqual(["s1", "s2"]);
    expect(told("sessionreplaced")).toHaveLength(1);
    expect(transport.sessionId).toBe("s2");
  });

  it("404 in one new session after the other is given up", async () => {
    server.play({ onCall: () => status(404) });
    const { call } = await openTransport();
    expect(await failureOf(call("tools/call", TOOL))).toMatchObject({ code: "session-lost" });
    expect(sent().length).toBeLessThanOrEqual(3);
  });

  it("404 after it may have run goes into no other session: a key is good in its own session only", async () => {
    const capabilities = { experimental: { "resumable-mcp": { idempotency: true } } };
    let sessions = 0;
    server.play({
      onInitialize: (request) =>
        json(
          { ...resultOf(request), result: { protocolVersion: "2025-11-25", capabilities, serverInfo: {} } },
          { "Mcp-Session-Id": `s${++sessions}` },
        ),
      onCall: inTurn(
        () => sse([], "cut"),
        () => status(404),
        done,
      ),
    });
    const { call } = await openTransport();
    const error = await failureOf(call("tools/call", TOOL));
    expect(error).toMatchObject({ code: "session-lost", maybeExecuted: true });
    expect(sent().map(({ sessionId }) => sessionId)).toEqual(["s1", "s1"]);
  });

  it.each([401, 413])("%i after it may have run does not deny that", async (code) => {
    server.play({
      onCall: inTurn(
        () => sse([], "cut"),
        () => status(code),
      ),
    });
    const { call } = await openTransport();
    const error = await failureOf(call("tools/list"));
    expect(error).toMatchObject({ status: code, maybeExecuted: true });
  });

  it.each([
    ["accepted", 200, "http", "s1"],
    ["401", 401, "unauthorized", "s1"],
  ])("400 is asked about with one ping: %s", async (_name, code, expected, session) => {
    const onPing: Answer = (request) => (code === 200 ? done(request) : status(code));
    server.play({ onCall: () => status(400), onPing });
    const { call, transport } = await openTransport();
    const error = await failureOf(call("tools/call", TOOL));
    expect(error).toMatchObject({ code: expected, status: 400, maybeExecuted: false });
    expect(
      server.calls().filter(({ message }) => message && "method" in message && message.method === "ping"),
    ).toHaveLength(1);
    expect(transport.sessionId).toBe(session);
  });

  it.each([400, 404])(
    "400 is a lost session where a ping is answered %i: it is sent into the new one",
    async (code) => {
      server.play({ onCall: inTurn(() => status(400), done), onPing: () => status(code) });
      const { call, transport } = await openTransport();
      await call("tools/call", TOOL);
      expect(sent().map(({ sessionId }) => sessionId)).toEqual(["s1", "s2"]);
      expect(transport.sessionId).toBe("s2");
    },
  );

  it("400 is sent again when the ping came to nothing", async () => {
    server.play({ onCall: inTurn(() => status(400), done), onPing: broken });
    const { call } = await openTransport();
    await call("tools/call", TOOL);
    expect(sent()).toHaveLength(2);
  });

  it.each([400, 404])("%i before there is a session is a refusal, not a lost session", async (code) => {
    server.play({ onInitialize: () => status(code) });
    expect(await failureOf(openTransport())).toMatchObject({ code: "http", status: code });
    expect(server.received).toHaveLength(1);
  });
});

describe("what the client sends of its own accord", () => {
  it.each([
    ["a network that is down", broken],
    ["503", () => status(503)],
    ["429", () => status(429)],
  ])("is sent again after %s until it is accepted", async (_name, answer: Answer) => {
    const open = await openTransport();
    server.play({ onNotification: inTurn(answer, answer, () => status(202)) });
    await open.transport.send({ jsonrpc: "2.0", id: 7, result: {} });
    await open.transport.send({ jsonrpc: "2.0", method: "notifications/roots/list_changed" });
    const messages = server.received.filter(({ method }) => method === "POST").map(({ message }) => message);
    expect(messages.slice(0, 3)).toEqual(Array(3).fill({ jsonrpc: "2.0", id: 7, result: {} }));
    expect(messages).toHaveLength(4);
  });

  it.each([
    ["202", () => status(202)],
    ["204", () => status(204)],
    ["200 without a body", () => status(200)],
    ["200 with JSON", () => json({ jsonrpc: "2.0", result: {}, id: 7 })],
    ["200 with an event stream", () => sse([], "stall")],
  ])("is accepted with %s", async (_name, answer: Answer) => {
    const open = await openTransport();
    server.play({ onNotification: answer });
    await open.transport.send({ jsonrpc: "2.0", method: "notifications/roots/list_changed" });
    expect(server.received.filter(({ method }) => method === "POST")).toHaveLength(1);
  });
});
