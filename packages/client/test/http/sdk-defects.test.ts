import { describe, expect, it, vi } from "vitest";
import {
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
import { failureOf, openTransport } from "../support/open-transport.js";

const server = scriptedServer();
const cursors = (): readonly unknown[] =>
  server.received.filter(({ lastEventId }) => lastEventId !== null).map(({ lastEventId }) => lastEventId);
const methodOf = ({ message }: Received): string | undefined =>
  message && "method" in message ? message.method : undefined;

/** What the official SDKs' clients (1.32.2, 2.4.0) get wrong about these; measured, and listed in the design. */
describe("where the SDK's client loses a call", () => {
  it("the resume token is kept when a resumed stream dies before its first event", async () => {
    let request: Received | undefined;
    server.play({
      onCall(received) {
        request = received;
        return sse([event({ id: "1", data: note(1) })], "cut");
      },
      onResume: inTurn(
        () => sse([], "cut"),
        () => sse([": keep-alive\n\n"], "cut"),
        () => sse([]),
        () => sse([event({ id: "2", data: resultOf(request ?? { message: undefined }) })]),
      ),
    });
    const { call, notes } = await openTransport();
    await call("tools/call", { name: "count" });
    expect([notes(), cursors()]).toEqual([[1], ["1", "1", "1", "1"]]);
  });

  it("an empty `id:` clears the resume token", async () => {
    server.play({
      onListen: inTurn(
        () => sse([event({ id: "1", data: note(1) }), event({ id: "", data: note(2) })]),
        () => sse([event({ id: "3", data: note(3) })], "stall"),
      ),
    });
    const { notes, told } = await openTransport();
    await vi.waitFor(() => expect(notes()).toEqual([1, 2, 3]));
    expect(cursors()).toEqual([]);
    expect(told("gap")).toHaveLength(1);
  });

  it("a call survives more than two failed attempts to resume it", async () => {
    let request: Received | undefined;
    server.play({
      onCall(received) {
        request = received;
        return sse([event({ id: "1", data: note(1) })], "cut");
      },
      onResume: inTurn(...Array.from({ length: 20 }, () => () => status(503)), () =>
        sse([event({ id: "2", data: resultOf(request ?? { message: undefined }) })]),
      ),
    });
    const { call } = await openTransport();
    await call("tools/call", { name: "count" });
    expect(cursors()).toHaveLength(21);
  });

  it("a JSON-RPC error ends its call, and nothing is resumed after it", async () => {
    const error = { code: -32_000, message: "The tool failed" };
    server.play({
      onCall: ({ message }) => {
        const id = message && "id" in message ? message.id : undefined;
        return sse([event({ id: "1", data: { jsonrpc: "2.0", id, error } })]);
      },
      onResume: () => sse([], "stall"),
    });
    const { call, messages } = await openTransport();
    await call("tools/call", { name: "count" });
    expect(messages).toEqual([{ jsonrpc: "2.0", id: 1, error }]);
    expect(cursors()).toEqual([]);
  });

  it("a call that cannot go on fails, and does not hang until a time-out", async () => {
    server.play({
      onCall: () => sse([event({ id: "1", data: note(1) })], "cut"),
      onResume: () => status(410),
    });
    const { call } = await openTransport();
    expect(await failureOf(call("tools/call", { name: "count" }))).toMatchObject({ code: "cursor-lost" });
  });

  it("404 makes a new session and is not tried again in the old one", async () => {
    server.play({
      onCall: inTurn(
        () => status(404),
        (request) => json(resultOf(request)),
      ),
    });
    const { call, transport } = await openTransport();
    await call("tools/call", { name: "count" });
    const sent = server.received.map((request) => [methodOf(request), request.sessionId]);
    expect(sent.filter(([method]) => method === "tools/call")).toEqual([
      ["tools/call", "s1"],
      ["tools/call", "s2"],
    ]);
    expect(sent.filter(([method]) => method === "initialize")).toHaveLength(2);
    expect(transport.sessionId).toBe("s2");
  });

  it("ten streams that lose their session together make one new one", async () => {
    const { call, told, transport } = await openTransport();
    let sessions = 1;
    server.play({
      onInitialize: (request) =>
        json(
          {
            ...resultOf(request),
            result: { protocolVersion: "2025-11-25", capabilities: {}, serverInfo: {} },
          },
          { "Mcp-Session-Id": `s${++sessions}` },
        ),
      onCall: (request) => (request.sessionId === "s1" ? status(404) : json(resultOf(request))),
    });
    await Promise.all(Array.from({ length: 10 }, () => call("tools/call", { name: "count" })));
    expect(server.received.filter((request) => methodOf(request) === "initialize")).toHaveLength(1);
    expect(told("sessionreplaced")).toHaveLength(1);
    expect(transport.sessionId).toBe("s2");
  });

  it("each call resumes from its own cursor, at its own pace", async () => {
    const requests = new Map<string, Received>();
    const nameOf = ({ message }: Received): string =>
      String(message && "params" in message ? message.params?.name : undefined);
    server.play({
      onCall(request) {
        const name = nameOf(request);
        requests.set(name, request);
        const retry = name === "slow" ? { retry: 60_000 } : {};
        return sse([event({ id: `${name}-1`, ...retry, data: "" })]);
      },
      onResume({ lastEventId }) {
        const request = requests.get(lastEventId?.split("-")[0] ?? "");
        return sse([event({ id: "x", data: resultOf(request ?? { message: undefined }) })]);
      },
    });
    const { call, transport } = await openTransport();
    const slow = failureOf(call("tools/call", { name: "slow" }));
    await vi.waitFor(() => expect(transport.status).toMatchObject({ state: "waiting" }));
    await call("tools/call", { name: "fast" });
    expect(cursors()).toEqual(["fast-1"]);
    expect(transport.status).toMatchObject({ state: "waiting", attempt: 1 });
    await transport.close();
    expect(await slow).toMatchObject({ code: "closed" });
  });

  it("the answer to the handshake is seen before the session id is: the client has its capabilities", async () => {
    server.play({});
    const { transport } = await openTransport();
    expect(transport.sessionId).toBe("s1");
    expect(server.received.map((request) => [methodOf(request), request.sessionId])).toEqual([
      ["initialize", null],
      ["notifications/initialized", "s1"],
    ]);
  });
});
