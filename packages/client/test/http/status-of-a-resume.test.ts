import { describe, expect, it, vi } from "vitest";
import {
  type Answer,
  broken,
  event,
  inTurn,
  json,
  note,
  type Received,
  resultOf,
  type Script,
  scriptedServer,
  sse,
  status,
} from "../support/msw-server.js";
import { failureOf, openTransport } from "../support/open-transport.js";

const server = scriptedServer();

/** A call whose connection breaks after its first message, and what its resume is answered. */
function playResume(resume: (rest: () => Response) => Answer, script: Script = {}): void {
  let call: Received | undefined;
  const rest = (): Response => {
    if (call === undefined) throw new Error("No call came");
    return sse([event({ id: "2", data: note(2) }), event({ id: "3", data: resultOf(call) })]);
  };
  server.play({
    ...script,
    onCall(request) {
      call = request;
      return sse([event({ id: "1", data: note(1) })], "cut");
    },
    onResume: resume(rest),
  });
}

const resumes = (): readonly Received[] => server.received.filter(({ lastEventId }) => lastEventId !== null);
const pings = (): readonly Received[] =>
  server.received.filter(({ message }) => message && "method" in message && message.method === "ping");

describe("a resume that is answered", () => {
  it.each([408, 409, 425, 429, 500, 502, 503, 504])(
    "%i is tried again, from the same event",
    async (code) => {
      playResume((rest) =>
        inTurn(
          () => status(code),
          () => status(code),
          rest,
        ),
      );
      const { call, notes } = await openTransport();
      await call("tools/call", { name: "count" });
      expect(notes()).toEqual([1, 2]);
      expect(resumes().map(({ lastEventId, sessionId }) => [lastEventId, sessionId])).toEqual([
        ["1", "s1"],
        ["1", "s1"],
        ["1", "s1"],
      ]);
    },
  );

  it("with nothing, because the network is down, is tried again", async () => {
    playResume((rest) => inTurn(broken, broken, rest));
    const { call, notes } = await openTransport();
    await call("tools/call", { name: "count" });
    expect(notes()).toEqual([1, 2]);
  });

  it.each([
    [405, "not-resumable"],
    [410, "cursor-lost"],
    [401, "unauthorized"],
    [403, "unauthorized"],
    [406, "http"],
    [302, "http"],
  ])("%i fails the call with `%s` at once, and it may have been executed", async (code, expected) => {
    playResume(() => () => status(code));
    const { call, notes } = await openTransport();
    const error = await failureOf(call("tools/call", { name: "count" }));
    expect(error).toMatchObject({ code: expected, status: code, maybeExecuted: true });
    expect(notes()).toEqual([1]);
    expect(resumes()).toHaveLength(1);
  });

  it("404 is a lost session: a new one is made, once, and the call fails with `session-lost`", async () => {
    playResume(() => () => status(404));
    const { call, told, transport } = await openTransport();
    const error = await failureOf(call("tools/call", { name: "count" }));
    expect(error).toMatchObject({ code: "session-lost", status: 404, maybeExecuted: true });
    expect(resumes()).toHaveLength(1);
    expect(transport.sessionId).toBe("s2");
    expect(told("sessionreplaced")).toMatchObject([{ cause: { code: "session-lost" } }]);
  });

  it("404 makes a read run again in the new session", async () => {
    const answers = inTurn(
      () => sse([event({ id: "1", data: note(1) })], "cut"),
      (request) => sse([event({ id: "1", data: resultOf(request) })]),
    );
    server.play({ onCall: answers, onResume: () => status(404) });
    const { call, messages } = await openTransport();
    await call("resources/read", { uri: "file:///a" });
    expect(messages).toContainEqual({ jsonrpc: "2.0", id: 1, result: { value: "done" } });
    const calls = server.calls().filter(({ message }) => message && "id" in message);
    expect(calls.map(({ sessionId }) => sessionId)).toEqual(["s1", "s2"]);
  });

  it.each([
    ["accepted", 200, "cursor-lost", "s1"],
    ["400", 400, "session-lost", "s2"],
    ["404", 404, "session-lost", "s2"],
    ["401", 401, "unauthorized", "s1"],
  ])("400 is asked about with one ping: %s", async (_name, code, expected, session) => {
    const onPing: Answer = (request) => (code === 200 ? json(resultOf(request)) : status(code));
    playResume(() => () => status(400), { onPing });
    const { call, transport } = await openTransport();
    const error = await failureOf(call("tools/call", { name: "count" }));
    expect(error).toMatchObject({ code: expected, maybeExecuted: true });
    expect(pings().map(({ sessionId }) => sessionId)).toEqual(["s1"]);
    expect(transport.sessionId).toBe(session);
  });

  it("400 is tried again when the ping came to nothing either", async () => {
    const onPing = inTurn(
      broken,
      () => status(503),
      () => status(429),
    );
    playResume(
      (rest) =>
        inTurn(
          () => status(400),
          () => status(400),
          () => status(400),
          rest,
        ),
      { onPing },
    );
    const { call, notes } = await openTransport();
    await call("tools/call", { name: "count" });
    expect(notes()).toEqual([1, 2]);
    expect(pings()).toHaveLength(3);
  });

  it("404 is asked about where there is no session that could be lost", async () => {
    playResume(() => () => status(404), {
      onInitialize: (request) =>
        json(
          {
            ...resultOf(request),
            result: { protocolVersion: "2025-11-25", capabilities: {}, serverInfo: {} },
          },
          {},
        ),
    });
    const { call } = await openTransport();
    expect(await failureOf(call("tools/call", { name: "count" }))).toMatchObject({ code: "cursor-lost" });
    expect(server.received.every(({ sessionId }) => sessionId === null)).toBe(true);
  });
});

describe("the standalone stream that is answered", () => {
  /** Opens a transport whose standalone stream is answered so, and waits for so many attempts. */
  async function listen(onListen: Answer, attempts: number, script: Script = {}) {
    server.play({ ...script, onListen });
    const open = await openTransport();
    await vi.waitFor(() => expect(gets()).toHaveLength(attempts));
    return open;
  }
  const gets = (): readonly Received[] => server.received.filter(({ method }) => method === "GET");
  const until = (assertion: () => void): Promise<void> => vi.waitFor(assertion);

  it("405 is not offered, and nothing is said about it", async () => {
    const { errors, transport } = await listen(() => status(405), 1);
    // Whatever the answer to the GET starts has been started when a whole exchange after it is over.
    await transport.send({ jsonrpc: "2.0", method: "notifications/roots/list_changed" });
    expect([gets().length, errors, transport.status.state]).toEqual([1, [], "live"]);
  });

  it.each([404, 400])("%i is not offered either, where the session lives", async (code) => {
    const { errors, transport } = await listen(() => status(code), 1);
    await until(() => expect(pings()).toHaveLength(1));
    await transport.send({ jsonrpc: "2.0", method: "notifications/roots/list_changed" });
    expect([gets().length, errors, transport.sessionId]).toEqual([1, [], "s1"]);
  });

  it.each([400, 404])("404 is a lost session where a ping is answered %i", async (code) => {
    const onListen = inTurn(
      () => status(404),
      () => sse([event({ id: "1", data: note(1) })], "stall"),
    );
    const { notes, told, transport } = await listen(onListen, 2, { onPing: () => status(code) });
    await until(() => expect(notes()).toEqual([1]));
    expect(transport.sessionId).toBe("s2");
    expect(gets().map(({ sessionId }) => sessionId)).toEqual(["s1", "s2"]);
    expect(told("sessionreplaced")).toHaveLength(1);
  });

  it.each([408, 425, 429, 500, 503])("%i is tried again", async (code) => {
    const onListen = inTurn(
      () => status(code),
      () => sse([event({ id: "1", data: note(1) })], "stall"),
    );
    const { errors, notes } = await listen(onListen, 2);
    await until(() => expect(notes()).toEqual([1]));
    expect(errors).toEqual([]);
  });

  it("409 is tried again, and tells of a gap: the server still believed in the dead connection", async () => {
    const onListen = inTurn(
      () => status(409),
      () => sse([event({ id: "1", data: note(1) })], "stall"),
    );
    const { notes, told } = await listen(onListen, 2);
    await until(() => expect(notes()).toEqual([1]));
    expect(told("gap")).toEqual([{ stream: { id: undefined, method: undefined }, missed: undefined }]);
  });

  it.each([
    ["410", () => status(410)],
    ["400, the session being alive,", () => status(400)],
    ["404, the session being alive,", () => status(404)],
  ])("%s to its cursor goes on from now, and tells of a gap", async (_name, lost) => {
    const onListen = inTurn(
      () => sse([event({ id: "1", data: note(1) })]),
      () => sse([event({ id: "5", data: note(5) })], "stall"),
    );
    const { notes, told } = await listen(onListen, 3, { onResume: lost });
    await until(() => expect(notes()).toEqual([1, 5]));
    expect(gets().map(({ lastEventId }) => lastEventId)).toEqual([null, "1", null]);
    expect(told("gap")).toHaveLength(1);
  });

  it.each([401, 403])("%i ends it with an error that is reported", async (code) => {
    const { errors } = await listen(() => status(code), 1);
    await until(() => expect(errors).toMatchObject([{ code: "unauthorized", maybeExecuted: false }]));
  });

  it("with a clean end is opened again, from its cursor", async () => {
    const onResume = (): Response => sse([event({ id: "2", data: note(2) })], "stall");
    const onListen = (): Response => sse([event({ id: "1", data: note(1) })]);
    const { notes, told } = await listen(onListen, 2, { onResume });
    await until(() => expect(notes()).toEqual([1, 2]));
    expect(told("gap")).toEqual([]);
  });

  it("with a break before any cursor is opened again, and tells of a gap", async () => {
    const onListen = inTurn(
      () => sse([event({ data: note(1) })], "cut"),
      () => sse([event({ data: note(2) })], "stall"),
    );
    const { notes, told } = await listen(onListen, 2);
    await until(() => expect(notes()).toEqual([1, 2]));
    expect(told("gap")).toHaveLength(1);
  });
});
