import { describe, expect, it } from "vitest";
import {
  type Answer,
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
const page = (): Response => new Response("<html>", { headers: { "Content-Type": "text/html" } });
const typeless = (): Response => new Response(new TextEncoder().encode("hello"));

const RESULT = { jsonrpc: "2.0", id: 1, result: { value: "done" } };

/** The requests other than the handshake that reached the server. */
const sent = (): readonly Received[] => server.calls().filter(({ message }) => message && "id" in message);

describe("a request that is answered with JSON", () => {
  it("has its response, and needs no stream", async () => {
    server.play({ onCall: (request) => json(resultOf(request)) });
    const { call, errors, messages, transport } = await openTransport();
    await call("tools/list");
    expect([messages, errors, transport.status.state]).toEqual([[RESULT], [], "live"]);
  });

  it("has its response in a batch, and everything else in it, in order", async () => {
    server.play({ onCall: (request) => json([note(1), note(2), resultOf(request)]) });
    const { call, messages } = await openTransport();
    await call("tools/list");
    expect(messages).toEqual([note(1), note(2), RESULT]);
  });

  it.each([{ id: "mine" }, { id: null }, {}])("has an error with %o for its response", async (ids) => {
    const error = { code: -32_603, message: "no" };
    server.play({
      onCall: (request) =>
        json({ jsonrpc: "2.0", error, ...ids, ...("id" in ids && ids.id === "mine" ? idOf(request) : {}) }),
    });
    const { call, messages } = await openTransport();
    await call("tools/call", { name: "count" });
    expect(messages).toEqual([{ jsonrpc: "2.0", id: 1, error }]);
  });

  it("that answers something else fails at once with `protocol`, and may have been executed", async () => {
    server.play({ onCall: () => json(note(1)) });
    const { call, notes } = await openTransport();
    const error = await failureOf(call("tools/list"));
    expect(error).toMatchObject({ code: "protocol", maybeExecuted: true });
    expect(notes()).toEqual([1]);
    expect(sent()).toHaveLength(1);
  });
});

const idOf = (request: Received): { readonly id: unknown } => {
  const { message } = request;
  return { id: message && "id" in message ? message.id : undefined };
};

describe("a request that is answered with nothing that could be read", () => {
  it.each([
    ["a page", page],
    ["bytes of no type", typeless],
    ["invalid JSON", () => new Response("{", { headers: { "Content-Type": "application/json" } })],
    ["JSON that is no JSON-RPC", () => json({ hello: "world" })],
    ["202", () => status(202)],
    ["204", () => status(204)],
    ["200 and an empty body", () => status(200)],
  ])("(%s) fails at once with `not-sse`, and may have been executed", async (_name, answer: Answer) => {
    server.play({ onCall: answer });
    const { call } = await openTransport();
    const error = await failureOf(call("tools/list"));
    expect(error).toMatchObject({ code: "not-sse", maybeExecuted: true });
    expect(sent()).toHaveLength(1);
  });

  it("because its JSON is over the limit, says so and names the endpoint", async () => {
    server.play({ onCall: (request) => json(resultOf(request, "x".repeat(2000))) });
    const { call } = await openTransport({ maxMessageLength: 1000 });
    const error = await failureOf(call("tools/list"));
    expect(error.message).toContain("https://mcp.example/mcp");
    expect(error.message).toContain("application/json, but not JSON-RPC or too long");
  });
});

describe("a resume that is answered with nothing that could be read", () => {
  const playResume = (answer: (rest: () => Response) => Answer): void => {
    let request: Received | undefined;
    server.play({
      onCall(received) {
        request = received;
        return sse([event({ id: "1", data: note(1) })], "cut");
      },
      onResume: answer(() => sse([event({ id: "2", data: resultOf(request ?? { message: undefined }) })])),
    });
  };
  const resumes = (): number => server.received.filter(({ lastEventId }) => lastEventId === "1").length;

  it.each([
    ["a page", page],
    ["JSON", () => json(note(1))],
    ["204", () => status(204)],
  ])("(%s) is tried five times, reported once, and then fails the call", async (_name, answer: Answer) => {
    playResume(() => answer);
    const { call, errors } = await openTransport();
    const error = await failureOf(call("tools/call", { name: "count" }));
    expect(error).toMatchObject({ code: "not-sse", maybeExecuted: true });
    expect(resumes()).toBe(5);
    expect(errors).toMatchObject([{ code: "not-sse" }]);
  });

  it("goes on when the captive portal lets go of the network", async () => {
    playResume((rest) => inTurn(page, page, page, page, rest));
    const { call, messages } = await openTransport();
    await call("tools/call", { name: "count" });
    expect(messages).toEqual([note(1), RESULT]);
  });
});

describe("a notification", () => {
  it.each([
    ["nothing", () => typeless()],
    ["text", () => new Response("OK", { headers: { "Content-Type": "text/plain" } })],
    ["JSON that is no message", () => json({ ok: true })],
    ["an event stream", () => sse([])],
  ])(
    "that is answered 200 with %s was accepted: so do the SDK's clients take it",
    async (_name, onNotification) => {
      server.play({ onNotification, onCall: (request) => json(resultOf(request)) });
      const { call, errors, messages } = await openTransport();
      await call("tools/list");
      expect([messages, errors]).toEqual([[RESULT], []]);
    },
  );

  it("that is answered with a captive portal's page was not", async () => {
    server.play({ onNotification: page });
    expect(await failureOf(openTransport())).toMatchObject({ code: "not-sse" });
  });
});
