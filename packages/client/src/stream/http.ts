// Makes one HTTP request of MCP, with credentials and time limits, and reports its result.
import { parseRetryAfter } from "./backoff.js";
import { isRequest, type JsonRpcMessage, parseMessages } from "../json-rpc.js";
import type { ValidOptions } from "../options.js";
import { within } from "../wait/abortable.js";

/**
 * How HTTP requests are made: the transport's options that concern them. `maxElapsedMs` limits `onUnauthorized`: a person
 * may have to log in.
 */
export type HttpOptions = Pick<
  ValidOptions,
  | "url"
  | "fetch"
  | "headers"
  | "credentials"
  | "authProvider"
  | "maxMessageLength"
  | "answerTimeoutMs"
  | "maxElapsedMs"
>;

/** The session and protocol version that a request is made in. */
export interface SessionRef {
  /** Comes with the headers of the initialize answer. */
  id: string | undefined;
  readonly protocolVersion: string | undefined;
  /** Whether the server runs a request with a known `Idempotency-Key` only once. */
  readonly isIdempotent: boolean;
}

export type HttpRequest =
  | { readonly method: "POST"; readonly message: JsonRpcMessage }
  | { readonly method: "GET"; readonly lastEventId: string | undefined }
  | { readonly method: "DELETE" };

/** What an HTTP request came to, before any event was read. */
export type Opened =
  | {
      readonly kind: "events";
      readonly body: ReadableStream<Uint8Array>;
      readonly sessionId: string | undefined;
    }
  | {
      readonly kind: "json";
      readonly messages: readonly JsonRpcMessage[];
      readonly sessionId: string | undefined;
    }
  | { readonly kind: "accepted" }
  | {
      readonly kind: "refused";
      readonly status: number;
      readonly retryAfterMs: number | undefined;
      /** Why the `authProvider` had no other credentials. */
      readonly cause?: unknown;
    }
  | { readonly kind: "unreachable"; readonly unsent: boolean; readonly cause: unknown }
  | { readonly kind: "unreadable"; readonly contentType: string | undefined };

/** Node's codes for "no connection came about". */
const UNSENT = new Set<unknown>(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "UND_ERR_CONNECT_TIMEOUT"]);

/**
 * Makes one HTTP request. Never throws for what a network or a server does; that is what {@link Opened} tells.
 *
 * @throws `signal.reason` when aborted.
 */
export async function openStream(
  http: HttpOptions,
  session: SessionRef,
  request: HttpRequest,
  signal: AbortSignal,
): Promise<Opened> {
  signal.throwIfAborted();
  // The answer to a request may take as long as the tool; a black hole must not hold anything else for ever.
  const isBounded =
    request.method !== "POST" || !isRequest(request.message) || request.message.method === "ping";
  const over = new AbortController();
  let isSent = false;
  const isUnsent = (): boolean => !isSent;
  const send = async (token: string | undefined): Promise<Response> => {
    const headers = headersOf(http, session, request, token);
    over.signal.throwIfAborted();
    isSent = true;
    const response = await http.fetch(http.url, {
      method: request.method,
      headers,
      ...(request.method === "POST" ? { body: JSON.stringify(request.message) } : {}),
      ...(http.credentials === undefined ? {} : { credentials: http.credentials }),
      // A followed redirect would carry the session id, and a POST's body, to whatever origin it names.
      redirect: "manual",
      cache: "no-store",
      signal: over.signal,
    });
    // A refused request was not executed, which counts when there are no credentials for another attempt.
    isSent = response.ok;
    return response;
  };
  // The limit does not cover all of it: a login takes as long as a person does.
  const bounded = <T>(work: Promise<T>): Promise<T> =>
    within(work, isBounded ? http.answerTimeoutMs : undefined, over.signal);
  const answer = async (): Promise<Opened> => {
    const { response, cause } = await withCredentials(http, over.signal, (token) => bounded(send(token)));
    const opened = await bounded(read(http, response, request));
    return opened.kind === "refused" && cause !== undefined ? { ...opened, cause } : opened;
  };
  try {
    // The signal alone is not enough: an authProvider or a fetch of the app's own may ignore it.
    return await within(answer(), undefined, signal);
  } catch (cause) {
    over.abort(cause);
    signal.throwIfAborted();
    return { kind: "unreachable", unsent: isUnsent() || isUnconnected(cause), cause };
  }
}

function headersOf(
  http: HttpOptions,
  session: SessionRef,
  request: HttpRequest,
  token: string | undefined,
): Headers {
  const headers = new Headers(http.headers);
  headers.set(
    "Accept",
    request.method === "POST" ? "application/json, text/event-stream" : "text/event-stream",
  );
  if (request.method === "POST") headers.set("Content-Type", "application/json");
  if (session.isIdempotent && request.method === "POST" && isRequest(request.message)) {
    // A structured-field string (IETF draft "The Idempotency-Key HTTP Header Field", section 2.1).
    headers.set("Idempotency-Key", `"${request.message.id}"`);
  }
  if (session.id !== undefined) headers.set("Mcp-Session-Id", session.id);
  if (session.protocolVersion !== undefined) headers.set("Mcp-Protocol-Version", session.protocolVersion);
  if (request.method === "GET" && request.lastEventId !== undefined) {
    // As UTF-8 (WHATWG HTML, server-sent events); a header's characters stand for bytes.
    const bytes = new TextEncoder().encode(request.lastEventId);
    headers.set("Last-Event-ID", String.fromCharCode(...bytes));
  }
  if (token !== undefined) headers.set("Authorization", `Bearer ${token}`);
  return headers;
}

async function read(http: HttpOptions, response: Response, request: HttpRequest): Promise<Opened> {
  if (!response.ok) {
    discard(response);
    // A browser hides a redirect's status: it says 0.
    const retryAfterMs = parseRetryAfter(response.headers.get("Retry-After"), Date.now());
    return { kind: "refused", status: response.status === 0 ? 302 : response.status, retryAfterMs };
  }
  const contentType = response.headers.get("Content-Type") ?? undefined;
  const mediaType = contentType?.split(";", 1)[0]?.trim().toLowerCase();
  const sessionId = response.headers.get("Mcp-Session-Id") ?? undefined;
  if (mediaType === "text/event-stream" && response.body !== null) {
    return { kind: "events", body: response.body, sessionId };
  }
  if (response.status === 202 || response.status === 204 || request.method === "DELETE") {
    discard(response);
    return { kind: "accepted" };
  }
  if (mediaType === "application/json" && request.method === "POST") {
    const text = await readText(response, http.maxMessageLength);
    const messages = text === undefined ? undefined : parseMessages(text);
    if (messages !== undefined) return { kind: "json", messages, sessionId };
    return { kind: "unreadable", contentType: `${contentType}, but not JSON-RPC or too long` };
  }
  discard(response);
  return { kind: "unreadable", contentType };
}

/** Reads a body of bounded length; `undefined` when it is longer. */
async function readText({ body }: Response, maxLength: number): Promise<string | undefined> {
  if (body === null) return "";
  const chunks = body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const { done, value } = await chunks.read();
    if (done) return text + decoder.decode();
    text += decoder.decode(value, { stream: true });
    if (text.length <= maxLength) continue;
    // Not awaited: the body of a response that was cloned is cancelled only when both are.
    chunks.cancel().catch(() => undefined);
    return undefined;
  }
}

function discard(response: Response): void {
  response.body?.cancel().catch(() => undefined);
}

/** How far a chain of causes is followed: an error may be its own cause. */
const MAX_CAUSES = 10;

/** Whether no connection came about, so that the server cannot have seen the request. Only Node says so. */
function isUnconnected(error: unknown, depth = 0): boolean {
  if (typeof error !== "object" || error === null || depth === MAX_CAUSES) return false;
  const { cause, code, syscall } = error as { cause?: unknown; code?: unknown; syscall?: unknown };
  return UNSENT.has(code) || syscall === "connect" || isUnconnected(cause, depth + 1);
}

/** RFC 6750, section 2.1, allows less. A line end around it, as from a file, is not sent. */
const SENDABLE = /^\s*[\x21-\x7e]+\s*$/;

/** What an HTTP request came to. */
export interface Answer {
  readonly response: Response;
  /** Why there are no other credentials than those that were refused. */
  readonly cause?: unknown;
}

/**
 * Makes a request, and again with other credentials when it was refused.
 *
 * @throws what `send` does, and when there is no token
 */
export async function withCredentials(
  { answerTimeoutMs, authProvider, maxElapsedMs }: HttpOptions,
  signal: AbortSignal,
  send: (token: string | undefined) => Promise<Response>,
): Promise<Answer> {
  if (authProvider === undefined) return { response: await send(undefined) };
  const attempt = async (): Promise<Answer & { readonly token: string | undefined }> => {
    const asked = Promise.resolve().then(() => authProvider.token());
    const token = await within(asked, answerTimeoutMs, signal);
    if (token === undefined || SENDABLE.test(token)) return { response: await send(token), token };
    // `fetch` would say so too, with the token in its message.
    const cause = new Error("token() returned something else than visible ASCII; nothing was sent");
    return { response: new Response(null, { status: 401 }), token, cause };
  };
  let answer = await attempt();
  // A token that was renewed may still lack a scope.
  for (const status of [401, 403]) {
    const { response, token } = answer;
    if (response.status !== status || authProvider.onUnauthorized === undefined) continue;
    response.body?.cancel().catch(() => undefined);
    try {
      const login = Promise.resolve(authProvider.onUnauthorized(response, token));
      await within(login, maxElapsedMs, signal);
    } catch (cause) {
      return { response, cause };
    }
    answer = await attempt();
  }
  return answer;
}
