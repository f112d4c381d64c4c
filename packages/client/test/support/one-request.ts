import {
  type HttpOptions,
  type HttpRequest,
  type Opened,
  openStream,
  type SessionRef,
} from "../../src/stream/http.js";

/** A request, a notification and a resume. */
export const POST = {
  method: "POST",
  message: { jsonrpc: "2.0", id: "a-1", method: "tools/call" },
} as const satisfies HttpRequest;
export const NOTE = {
  method: "POST",
  message: { jsonrpc: "2.0", method: "notifications/roots" },
} as const satisfies HttpRequest;
export const GET: HttpRequest = { method: "GET", lastEventId: "7" };
export const SESSION: SessionRef = { id: "s1", protocolVersion: "2025-11-25", isIdempotent: false };

export const HTTP: Omit<HttpOptions, "fetch"> = {
  url: "https://mcp.example/mcp",
  headers: {},
  maxMessageLength: 1000,
  answerTimeoutMs: 30_000,
  maxElapsedMs: 30 * 60_000,
};

interface Sent {
  readonly init: RequestInit;
  readonly headers: Headers;
}

export interface Try extends Partial<Omit<HttpOptions, "fetch">> {
  readonly request?: HttpRequest;
  readonly session?: Partial<SessionRef>;
  readonly signal?: AbortSignal;
}

/** Opens a stream over answers that are given in turn; an error is what `fetch` rejects with. */
export async function open(
  answers: readonly (Response | Error)[],
  { request = POST, session, signal = new AbortController().signal, ...http }: Try = {},
): Promise<{ readonly opened: Opened; readonly sent: readonly Sent[] }> {
  const sent: Sent[] = [];
  const opened = await openStream(
    {
      ...HTTP,
      ...http,
      fetch: async (_url, init = {}) => {
        const answer = answers[sent.length];
        sent.push({ init, headers: new Headers(init.headers) });
        if (answer === undefined) return new Promise<never>(() => undefined);
        if (answer instanceof Error) throw answer;
        return answer;
      },
    },
    { ...SESSION, ...session },
    request,
    signal,
  );
  return { opened, sent };
}
