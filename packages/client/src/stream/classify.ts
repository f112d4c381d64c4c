// Decides what a stream does after one of its connections ended, by how it ended and what is known of the stream.
// Pure: no clock, no I/O.
import type { ResumeErrorCode } from "../errors.js";

/** How one connection of a stream ended. */
export type Outcome =
  /** The final response came. */
  | { readonly kind: "answered" }
  /** The response body ended or broke before that. */
  | { readonly kind: "ended" }
  /** No response came; `unsent` when it is certain that the request never reached the server. */
  | { readonly kind: "unreachable"; readonly unsent: boolean }
  /** An HTTP status that is not 2xx. */
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
  | {
      readonly kind: "retry";
      /** Whether messages may have been sent on the stream that nobody received. */
      readonly mayHaveMissed: boolean;
    }
  /** The server cannot go on from the cursor of the standalone stream: it goes on from now, and misses the rest. */
  | { readonly kind: "restart"; readonly mayHaveMissed: true }
  /** The server does not offer this stream; nothing is lost by that. */
  | { readonly kind: "stop" }
  /** A `ping` must tell whether the session is unknown, or only what was asked for. */
  | { readonly kind: "ask" }
  | { readonly kind: "fail"; readonly code: ResumeErrorCode };

/** A captive portal answers everything with its own page for a while; a wrong URL does so for ever. */
const UNREADABLE_ATTEMPTS = 5;

const RETRY = { kind: "retry", mayHaveMissed: false } as const;
const RESTART = { kind: "restart", mayHaveMissed: true } as const;
const ASK: Verdict = { kind: "ask" };
const STOP = { kind: "stop" } as const;
const fail = (code: ResumeErrorCode) => ({ kind: "fail", code }) as const;

/**
 * What to do after a connection ended. Pure: no clock, no I/O.
 *
 * Follows PROTOCOL.md: a request whose POST ended without an answer and without a cursor is sent again only when
 * that cannot run it twice.
 */
export function classify(outcome: Outcome, facts: StreamFacts): Verdict {
  switch (outcome.kind) {
    case "answered":
      return { kind: "done" };
    case "ended":
    case "unreachable":
      // The method does not decide this: a cursor may have been cleared on a resumed connection too.
      return facts.listening || facts.hasCursor || facts.resendable || !mayHaveRun(outcome)
        ? RETRY
        : fail("interrupted");
    case "unreadable":
      return facts.method === "GET" && facts.unreadable < UNREADABLE_ATTEMPTS ? RETRY : fail("not-sse");
    case "violated":
      return fail("protocol");
    case "refused":
      return facts.method === "POST" ? refusedPost(outcome.status, facts) : refusedGet(outcome.status, facts);
  }
}

/**
 * Whether the server may have executed a request whose POST came to this. A refusal says that it did not, unless
 * the server (or a proxy before it) failed or lost patience.
 */
export function mayHaveRun(outcome: Outcome): boolean {
  if (outcome.kind === "unreachable") return !outcome.unsent;
  return outcome.kind !== "refused" || outcome.status >= 500 || outcome.status === 408;
}

function refusedPost(status: number, facts: StreamFacts): Verdict {
  if (status === 401 || status === 403) return fail("unauthorized");
  if (status === 404) return fail(facts.hasSession ? "session-lost" : "http");
  if (status === 429) return RETRY;
  // The SDK's 400 for a session that it does not know differs from its other 400s only in its text.
  if (status === 400 && facts.hasSession) return ASK;
  if (status >= 500 || status === 408) return facts.resendable ? RETRY : fail("interrupted");
  return fail("http");
}

function refusedGet(status: number, { hasCursor, hasSession, listening }: StreamFacts): Verdict {
  if (status === 401 || status === 403) return fail("unauthorized");
  // Where only POST is routed, a 404 says nothing about the session.
  if (status === 404) return listening || !hasSession ? ASK : fail("session-lost");
  if (status === 400) return ASK;
  if (status === 405) return listening ? STOP : fail("not-resumable");
  if (status === 410) return !hasCursor ? fail("http") : listening ? RESTART : fail("cursor-lost");
  // The SDK's server says so of a standalone stream while it still believes in a dead connection.
  if (status === 409) return { kind: "retry", mayHaveMissed: listening };
  if (status === 408 || status === 425 || status === 429 || status >= 500) return RETRY;
  return fail("http");
}

/** What a `ping` says about a refusal: its HTTP status. */
export function classifyPing(
  status: number,
  { hasCursor, listening, method }: StreamFacts,
): Exclude<Verdict, { kind: "ask" }> {
  if (status === 400 || status === 404) return fail("session-lost");
  if (status === 401 || status === 403) return fail("unauthorized");
  if (status < 200 || status >= 300) return RETRY;
  if (method === "POST") return fail("http");
  if (!listening) return fail("cursor-lost");
  return hasCursor ? RESTART : STOP;
}
