import { http, HttpResponse } from "msw";
import { beforeEach, describe, expect, it, vi } from "vitest";
import type { AuthProvider } from "../../src/index.js";
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

const ELSEWHERE = "https://evil.example/mcp";
const server = scriptedServer();
/** What reached the other origin. */
const elsewhere: Request[] = [];

beforeEach(() => {
  elsewhere.length = 0;
  server.msw.use(
    http.all(ELSEWHERE, ({ request }) => {
      elsewhere.push(request);
      return HttpResponse.json(resultOf({ message: { jsonrpc: "2.0", id: 1, method: "x" } }));
    }),
  );
  return () => server.msw.resetHandlers();
});

const CODES = [301, 302, 303, 307, 308] as const;
const redirect = (code: number): Response => status(code, { Location: ELSEWHERE });

/** A call that breaks after its first message, and goes on as its resumes are answered. */
function playResume(...answers: readonly Answer[]): void {
  server.play({
    onCall: () => sse([event({ id: "1", data: note(1) })], "cut"),
    onResume: inTurn(...answers),
  });
}

describe("a redirect to another origin", () => {
  it.each(CODES)("is never followed by a request (%i), which was not executed", async (code) => {
    server.play({ onCall: () => redirect(code) });
    const { call } = await openTransport();
    const error = await failureOf(call("tools/call", { name: "launch" }));
    expect(error).toMatchObject({ code: "http", status: code, maybeExecuted: false });
    expect(elsewhere).toEqual([]);
  });

  it.each(CODES)("is never followed by a resume (%i)", async (code) => {
    playResume(() => redirect(code));
    const { call } = await openTransport();
    const error = await failureOf(call("tools/call", { name: "launch" }));
    expect(error).toMatchObject({ code: "http", status: code, maybeExecuted: true });
    expect(elsewhere).toEqual([]);
  });

  it.each(CODES)("is never followed by the standalone stream (%i), which says so", async (code) => {
    server.play({ onListen: () => redirect(code) });
    const { errors } = await openTransport();
    await vi.waitFor(() => expect(errors).toMatchObject([{ code: "http", status: code }]));
    expect(elsewhere).toEqual([]);
  });

  it("is never followed by the handshake, a notification, a ping or the end of a session", async () => {
    server.play({ onInitialize: () => redirect(307) });
    expect(await failureOf(openTransport())).toMatchObject({ code: "http", status: 307 });

    server.play({
      onCall: () => status(400),
      onPing: () => redirect(307),
      onNotification: () => status(202),
    });
    const { call, transport } = await openTransport({ maxElapsedMs: 1, random: () => 0.5 });
    await failureOf(call("tools/list"));
    server.play({ onNotification: () => redirect(307) });
    const message = { jsonrpc: "2.0", method: "notifications/roots/list_changed" } as const;
    expect(await failureOf(transport.send(message))).toMatchObject({ code: "http", status: 307 });
    expect(elsewhere).toEqual([]);
  });
});

describe("an authProvider", () => {
  const bearers = (requests: readonly Received[]): readonly (string | null)[] =>
    requests.map(({ headers }) => headers.get("Authorization"));
  const gets = (): readonly Received[] => server.received.filter(({ lastEventId }) => lastEventId !== null);

  /** Its token is `t0` until it had to be renewed; then `t1`, and so on. */
  function provider(): { readonly authProvider: AuthProvider; readonly renewals: () => number } {
    let renewals = 0;
    const authProvider = { token: () => `t${renewals}`, onUnauthorized: () => void (renewals += 1) };
    return { authProvider, renewals: () => renewals };
  }
  const rest = (): Response =>
    sse([event({ id: "2", data: resultOf({ message: server.calls()[0]?.message }) })]);
  const needs =
    (token: string, answer: Answer): Answer =>
    (request) =>
      request.headers.get("Authorization") === `Bearer ${token}` ? answer(request) : status(401);

  it("renews the token in the middle of a resume, and the call goes on", async () => {
    playResume(needs("t1", rest));
    const { authProvider, renewals } = provider();
    const { call, notes } = await openTransport({ authProvider });
    await call("tools/call", { name: "count" });
    expect(notes()).toEqual([1]);
    expect(bearers(gets())).toEqual(["Bearer t0", "Bearer t1"]);
    expect(renewals()).toBe(1);
  });

  it("renews the token of a request, which is then made once more", async () => {
    server.play({ onCall: needs("t1", (request) => json(resultOf(request))) });
    const { call } = await openTransport({ authProvider: provider().authProvider });
    await call("tools/call", { name: "launch" });
    expect(bearers(server.calls().slice(0, 2))).toEqual(["Bearer t0", "Bearer t1"]);
  });

  it.each([401, 403])("whose new token is refused too (%i) is asked no third time", async (code) => {
    const { authProvider, renewals } = provider();
    playResume(() => status(code));
    const { call } = await openTransport({ authProvider });
    const error = await failureOf(call("tools/call", { name: "count" }));
    expect(error).toMatchObject({ code: "unauthorized", status: code, maybeExecuted: true });
    expect(gets()).toHaveLength(2);
    expect(renewals()).toBe(1);
  });

  it("that cannot renew its token fails the call at once, with the reason as the cause", async () => {
    const cause = new Error("The user closed the window");
    server.play({ onCall: () => status(401) });
    const authProvider = { token: () => "t", onUnauthorized: () => Promise.reject(cause) };
    const { call } = await openTransport({ authProvider });
    const error = await failureOf(call("tools/call", { name: "launch" }));
    expect(error).toMatchObject({ code: "unauthorized", status: 401, maybeExecuted: false, cause });
    expect(server.calls().filter(({ message }) => message && "id" in message)).toHaveLength(1);
  });

  it("that has no token just now is asked again, and the request was not sent meanwhile", async () => {
    server.play({ onCall: (request) => json(resultOf(request)) });
    const token = vi.fn(() => "t");
    const { call } = await openTransport({ authProvider: { token } });
    token.mockImplementationOnce(() => {
      throw new Error("The token endpoint is out of reach");
    });
    await call("tools/call", { name: "launch" });
    expect(server.calls().filter(({ message }) => message && "id" in message)).toHaveLength(1);
  });
});
