import type { ResumeErrorCode } from "./errors.js";

/** How one connection of a stream ended. */
export type Outcome =
  /** The final response came. */
  | { readonly kind: "answered" }
  /** The response body ended or broke before that. */
  | { readonly kind: "ended" }
  /** No response came; `unsent` when it is certain that the request never reached the server. */
  | { readonly kind: "unreachable"; readonly unsent: boolean }
  /** An HTTP status that is neither 2xx nor a followed redirect. */
  | { readonly kind: "refused"; readonly status: number }
  /** A 2xx that is neither an event stream nor JSON. */
  | { readonly kind: "unreadable" }
  /** The peer broke the protocol in a way that cannot be read over: an event larger than the limit. */
  | { readonly kind: "violated" };

/** What is known of the stream when its connection ended. */
export interface StreamFacts {
  readonly method: "POST" | "GET";
  /** Whether this is the standalone stream rather than the answer to a request. */
  readonly listening: boolean;
  readonly hasCursor: boolean;
  readonly hasSession: boolean;
  /** Whether executing the request again does no harm. */
  readonly resendable: boolean;
  /** How often the server answered with something unreadable in a row, this time included. */
  readonly unreadable: number;
}

export type Verdict =
  | { readonly kind: "done" }
  /** Resume from the cursor, or send again where that is allowed. */
  | { readonly kind: "retry" }
  /** The server does not offer this stream; nothing is lost by that. */
  | { readonly kind: "stop" }
  /** A `ping` must tell whether the session or only the cursor is unknown. */
  | { readonly kind: "ask" }
  | { readonly kind: "fail"; readonly code: ResumeErrorCode; readonly maybeExecuted: boolean };

/** A captive portal answers everything with its own page for a while; a wrong URL does so for ever. */
const UNREADABLE_ATTEMPTS = 5;

const RETRY: Verdict = { kind: "retry" };
const fail = (code: ResumeErrorCode, maybeExecuted: boolean): Verdict => ({
  kind: "fail",
  code,
  maybeExecuted,
});

/**
 * What to do after a connection ended. Pure: no clock, no I/O.
 *
 * Follows PROTOCOL.md: a request whose POST ended without an answer and without a cursor is sent again only when
 * that cannot run it twice; 401, 403, 404 and 429 mean that it was not executed.
 */
export function classify(outcome: Outcome, facts: StreamFacts): Verdict {
  switch (outcome.kind) {
    case "answered":
      return { kind: "done" };
    case "ended":
    case "unreachable":
      if (facts.method === "GET" || facts.hasCursor) return RETRY;
      return afterLostPost(facts, outcome.kind === "unreachable" && outcome.unsent);
    case "unreadable":
      if (facts.method === "POST") return fail("not-sse", true);
      return facts.unreadable < UNREADABLE_ATTEMPTS ? RETRY : fail("not-sse", true);
    case "violated":
      return fail("protocol", true);
    case "refused":
      return facts.method === "POST" ? refusedPost(outcome.status, facts) : refusedGet(outcome.status, facts);
  }
}

function afterLostPost(facts: StreamFacts, unsent: boolean): Verdict {
  return unsent || facts.resendable ? RETRY : fail("interrupted", true);
}

function refusedPost(status: number, facts: StreamFacts): Verdict {
  if (status === 401 || status === 403) return fail("unauthorized", false);
  if (status === 404) return fail(facts.hasSession ? "session-lost" : "http", false);
  if (status === 429) return RETRY;
  // The SDK's 400 for a session that it does not know differs from its other 400s only in its text.
  if (status === 400 && facts.hasSession) return { kind: "ask" };
  if (status >= 500 || status === 408) return afterLostPost(facts, false);
  return fail("http", false);
}

function refusedGet(status: number, facts: StreamFacts): Verdict {
  if (status === 401 || status === 403) return fail("unauthorized", true);
  if (status === 404) return fail("session-lost", true);
  if (status === 400) return { kind: "ask" };
  if (status === 405) return facts.listening ? { kind: "stop" } : fail("not-resumable", true);
  if (status === 410) return fail("cursor-lost", true);
  if (status === 408 || status === 409 || status === 425 || status === 429 || status >= 500) return RETRY;
  return fail("http", true);
}

/** What the answer to a `ping` says about a 400. */
export function classifyPing(status: number, method: "POST" | "GET"): Verdict {
  if (status >= 200 && status < 300)
    return method === "GET" ? fail("cursor-lost", true) : fail("http", false);
  if (status === 400 || status === 404) return fail("session-lost", method === "GET");
  if (status === 401 || status === 403) return fail("unauthorized", method === "GET");
  return RETRY;
}
