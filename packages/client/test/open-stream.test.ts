import { getEventListeners } from "node:events";
import { createServer } from "node:net";
import { afterEach, describe, expect, it, vi } from "vitest";
import { openStream } from "../src/stream/http.js";
import { broken, event, json, resultOf, sse, status } from "./support/msw-server.js";
import { GET, HTTP, NOTE, open, POST, SESSION, type Try } from "./support/one-request.js";

/** The error of Node's `fetch`, with what the socket said as its cause. */
const fetchFailed = (cause: unknown): Error => new TypeError("fetch failed", { cause });

afterEach(() => void vi.useRealTimers());

describe("what is sent", () => {
  it("is a JSON-RPC message, with session, version and both accepted types, for POST", async () => {
    const { sent } = await open([sse([])], { headers: { "X-App": "demo" } });
    expect(sent[0]?.init).toMatchObject({
      method: "POST",
      body: '{"jsonrpc":"2.0","id":"a-1","method":"tools/call"}',
    });
    expect(Object.fromEntries(sent[0]?.headers ?? [])).toEqual({
      accept: "application/json, text/event-stream",
      "content-type": "application/json",
      "mcp-protocol-version": "2025-11-25",
      "mcp-session-id": "s1",
      "x-app": "demo",
    });
  });

  it("is the cursor, and no body, for GET", async () => {
    const { sent } = await open([sse([])], { request: GET });
    expect(sent[0]?.init.body).toBeUndefined();
    expect(Object.fromEntries(sent[0]?.headers ?? [])).toEqual({
      accept: "text/event-stream",
      "last-event-id": "7",
      "mcp-protocol-version": "2025-11-25",
      "mcp-session-id": "s1",
    });
  });

  it("names no session, version or cursor that there is not", async () => {
    const request = { method: "GET", lastEventId: undefined } as const;
    const { sent } = await open([sse([])], {
      request,
      session: { id: undefined, protocolVersion: undefined },
    });
    expect(Object.fromEntries(sent[0]?.headers ?? [])).toEqual({ accept: "text/event-stream" });
  });

  it("encodes a cursor as UTF-8, as EventSource does", async () => {
    const { sent } = await open([sse([])], { request: { method: "GET", lastEventId: "é-日" } });
    const header = sent[0]?.headers.get("Last-Event-ID") ?? "";
    expect(Buffer.from(header, "latin1").toString("utf8")).toBe("é-日");
  });

  it("follows no redirect, and is answered by no cache", async () => {
    const { sent } = await open([sse([])], { request: GET });
    expect(sent[0]?.init).toMatchObject({ redirect: "manual", cache: "no-store" });
  });

  it("carries cookies only as the app said", async () => {
    const plain = await open([sse([])]);
    expect(plain.sent[0]?.init).not.toHaveProperty("credentials");
    const { sent } = await open([sse([])], { credentials: "include" });
    expect(sent[0]?.init.credentials).toBe("include");
  });

  it("has an idempotency key where the server knows what that is, and only for requests", async () => {
    const session = { isIdempotent: true };
    const { sent } = await open([sse([])], { session });
    expect(sent[0]?.headers.get("Idempotency-Key")).toBe('"a-1"');
    for (const request of [GET, NOTE]) {
      const other = await open([sse([])], { session, request });
      expect(other.sent[0]?.headers.has("Idempotency-Key")).toBe(false);
    }
    expect((await open([sse([])])).sent[0]?.headers.has("Idempotency-Key")).toBe(false);
  });
});

describe("what came back", () => {
  it.each(["text/event-stream", "text/event-stream; charset=utf-8", "Text/Event-Stream ;x=y"])(
    "is an event stream when it is of type %j",
    async (type) => {
      const answer = new Response(event({ data: "x" }), {
        headers: { "Content-Type": type, "Mcp-Session-Id": "s9" },
      });
      expect((await open([answer])).opened).toMatchObject({ kind: "events", sessionId: "s9" });
    },
  );

  it("is a message, or a batch of them", async () => {
    const message = resultOf(POST);
    const one = await open([json(message, { "Mcp-Session-Id": "s9" })]);
    expect(one.opened).toEqual({ kind: "json", messages: [message], sessionId: "s9" });
    const batch = await open([json([message, message])]);
    expect(batch.opened).toMatchObject({ kind: "json", messages: [message, message] });
  });

  it.each([
    ["that is no JSON", "{", "application/json, but not JSON-RPC or too long"],
    ["that is no JSON-RPC", '{"ok":true}', "application/json, but not JSON-RPC or too long"],
    ["that is empty", "", "application/json, but not JSON-RPC or too long"],
    ["that is too long", `"${"x".repeat(5000)}"`, "application/json, but not JSON-RPC or too long"],
  ])("is unreadable when it is JSON %s", async (_name, text, contentType) => {
    const answer = new Response(text, { headers: { "Content-Type": "application/json" } });
    expect((await open([answer])).opened).toEqual({ kind: "unreadable", contentType });
  });

  it("is read no further than the limit, also when somebody else has cloned it", async () => {
    let pulled = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        pulled += 1;
        controller.enqueue(new Uint8Array(400).fill(32));
      },
    });
    const answer = new Response(endless, { headers: { "Content-Type": "application/json" } });
    answer.clone();
    expect((await open([answer])).opened).toMatchObject({ kind: "unreadable" });
    expect(pulled).toBeLessThan(10);
  });

  it("is unreadable when it is a page, or JSON to a GET", async () => {
    const page = new Response("<html>", { headers: { "Content-Type": "text/html" } });
    expect((await open([page])).opened).toEqual({ kind: "unreadable", contentType: "text/html" });
    const answer = json(resultOf(POST));
    expect((await open([answer], { request: GET })).opened).toMatchObject({ kind: "unreadable" });
    const empty = new Response(null, { status: 200 });
    expect((await open([empty])).opened).toEqual({ kind: "unreadable", contentType: undefined });
  });

  it.each([202, 204])("is accepted with %i", async (code) => {
    expect((await open([status(code)])).opened).toEqual({ kind: "accepted" });
  });

  it("is a refusal for every other status, with what `Retry-After` says", async () => {
    const { opened } = await open([status(503, { "Retry-After": "7" })]);
    expect(opened).toEqual({ kind: "refused", status: 503, retryAfterMs: 7000 });
    const redirect = await open([status(307, { Location: "https://evil.example/" })]);
    expect(redirect.opened).toMatchObject({ kind: "refused", status: 307 });
    expect(redirect.sent).toHaveLength(1);
  });

  it("is a refusal when a browser hides a redirect", async () => {
    const opaque = Object.defineProperty(broken(), "type", { value: "opaqueredirect" });
    expect((await open([opaque])).opened).toMatchObject({ kind: "refused", status: 302 });
  });

  it("is nothing, but perhaps sent, when the connection broke", async () => {
    const cause = fetchFailed({ code: "ECONNRESET", syscall: "read" });
    expect((await open([cause])).opened).toEqual({ kind: "unreachable", unsent: false, cause });
    const inBrowser = new TypeError("Failed to fetch");
    expect((await open([inBrowser])).opened).toMatchObject({ kind: "unreachable", unsent: false });
  });

  it("is nothing, but perhaps sent, when a JSON answer broke off", async () => {
    const half = new ReadableStream({
      start: (controller) => controller.enqueue(new TextEncoder().encode("{")),
      pull: (controller) => controller.error(new Error("cut")),
    });
    const answer = new Response(half, { headers: { "Content-Type": "application/json" } });
    expect((await open([answer])).opened).toMatchObject({ kind: "unreachable", unsent: false });
  });

  it.each([
    ["refused the connection", { code: "ECONNREFUSED", syscall: "connect" }],
    ["has no name", { code: "ENOTFOUND", syscall: "getaddrinfo" }],
    ["could not be resolved just now", { code: "EAI_AGAIN" }],
    ["answered no connection attempt", { code: "UND_ERR_CONNECT_TIMEOUT" }],
    ["is out of reach", { code: "ENETUNREACH", syscall: "connect" }],
    ["refused at every address", { code: "ECONNREFUSED", errors: [] }],
    ["refused, two causes deep", { cause: { code: "ECONNREFUSED" } }],
  ])("is nothing, and certainly not sent, when the server %s", async (_name, cause) => {
    expect((await open([fetchFailed(cause)])).opened).toMatchObject({ kind: "unreachable", unsent: true });
  });

  it("is nothing when its error is its own cause", async () => {
    const error = new Error("round and round");
    error.cause = error;
    expect((await open([error])).opened).toMatchObject({ kind: "unreachable", unsent: false });
  });

  it("is certainly not sent when a real port is closed", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    const port = typeof address === "object" ? address?.port : undefined;
    await new Promise((resolve) => server.close(resolve));
    const options = { ...HTTP, fetch, url: `http://127.0.0.1:${port ?? 0}/mcp` };
    const opened = await openStream(options, SESSION, POST, new AbortController().signal);
    expect(opened).toMatchObject({ kind: "unreachable", unsent: true });
  });
});

describe("waiting", () => {
  it.each([
    ["a resume", GET],
    ["a notification", NOTE],
    ["a ping", { method: "POST", message: { jsonrpc: "2.0", id: 1, method: "ping" } }],
    ["the end of a session", { method: "DELETE" }],
  ] as const)("for the answer to %s has a limit", async (_name, request) => {
    vi.useFakeTimers();
    const opening = open([], { request, answerTimeoutMs: 7000 });
    await vi.advanceTimersByTimeAsync(7000);
    expect((await opening).opened).toMatchObject({
      kind: "unreachable",
      cause: { message: "No answer within 7000 ms" },
    });
    expect(vi.getTimerCount()).toBe(0);
  });

  it("for the answer to a request has none: a tool may run as long as it likes", async () => {
    vi.useFakeTimers();
    const settled = vi.fn();
    void open([], { answerTimeoutMs: 7000 }).then(settled);
    await vi.advanceTimersByTimeAsync(86_400_000);
    expect(settled).not.toHaveBeenCalled();
    expect(vi.getTimerCount()).toBe(0);
  });

  it.each([
    ["a notification", NOTE],
    ["a request, whose answer may take as long as it likes,", POST],
  ])("for a token that never comes has a limit too for %s and nothing was sent", async (_name, request) => {
    vi.useFakeTimers();
    const authProvider = { token: () => new Promise<string>(() => undefined) };
    const opening = open([], { request, answerTimeoutMs: 7000, authProvider });
    await vi.advanceTimersByTimeAsync(7000);
    expect((await opening).opened).toMatchObject({ kind: "unreachable", unsent: true });
    expect(vi.getTimerCount()).toBe(0);
  });

  it.each<[string, Try & { refusal?: true }]>([
    ["a fetch that ignores its signal", {}],
    ["a token that never comes", { authProvider: { token: () => new Promise<string>(() => undefined) } }],
    [
      "a login that never ends",
      {
        authProvider: { token: () => "t", onUnauthorized: () => new Promise<void>(() => undefined) },
        refusal: true,
      },
    ],
  ])("ends with the signal, be it for %s", async (_name, { refusal, ...given }) => {
    const abort = new AbortController();
    const opening = open(refusal ? [status(401)] : [], { ...given, signal: abort.signal });
    await Promise.resolve();
    abort.abort(new Error("enough"));
    await expect(opening).rejects.toThrow("enough");
    expect(getEventListeners(abort.signal, "abort")).toHaveLength(0);
  });

  it("does not begin when the signal is aborted already", async () => {
    const token = vi.fn(() => "t");
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(open([], { authProvider: { token }, signal })).rejects.toThrow("enough");
    expect(token).not.toHaveBeenCalled();
  });

  it("leaves no timer and no listener behind", async () => {
    vi.useFakeTimers();
    const abort = new AbortController();
    await open([sse([])], { request: GET, signal: abort.signal });
    expect(vi.getTimerCount()).toBe(0);
    expect(getEventListeners(abort.signal, "abort")).toHaveLength(0);
  });
});
