// Classifies the failure of a script call, and makes the error that the caller gets.

import { EventStoreError } from "../../log/errors.js";

/** What an attempt to run a script came to, when it came to nothing. */
export type Failure =
  /** The server answered with an error: the code is the first word of it, as the protocol has it. */
  | { readonly kind: "refused"; readonly code: string; readonly error: Error }
  /** No answer: the connection broke, or there is none. */
  | { readonly kind: "disconnected"; readonly error: unknown };

/** Error replies begin with a code in capitals (RESP); what clients say themselves does not. */
const REPLY_CODE = /^([A-Z][A-Z0-9]+)(?: |$)/;

export function failureOf(error: unknown): Failure {
  // What the operating system reports has a code of its own.
  if (error instanceof Error && !("code" in error)) {
    const code = REPLY_CODE.exec(error.message)?.[1];
    if (code !== undefined) return { kind: "refused", code, error };
  }
  return { kind: "disconnected", error };
}

/** The server cannot answer just now, and will soon: it is loading its data, or the cluster is changing. */
const PASSING = new Set(["LOADING", "CLUSTERDOWN", "TRYAGAIN", "MASTERDOWN", "BUSY"]);

/** Whether trying again soon makes sense. */
export function isPassing(failure: Failure): boolean {
  return failure.kind === "disconnected" || PASSING.has(failure.code);
}

/**
 * Codes that only the script itself meets, at its first write, and after it has looked whether it was run before. So
 * nothing of the call is stored, however often the client has sent it.
 */
const AT_FIRST_WRITE = new Set(["OOM", "READONLY", "MISCONF", "NOREPLICAS", "WRONGTYPE"]);

const ADVICE: Readonly<Record<string, string>> = {
  OOM: "The server is out of memory: raise its maxmemory, or keep less.",
  READONLY: "The server is a replica, as after a failover: connect the client to the primary.",
  NOAUTH: "The client has not logged in: give it a user and a password.",
  NOPERM: "The client's user must be allowed to run scripts, publish and subscribe, on the log's keys.",
  CROSSSLOT: "The server is a cluster: use the cluster client.",
  MISCONF: "The server refuses writes since it cannot save its data: see its log.",
  LOADING: "The server is still loading its data.",
};

/** The error that the caller of the log gets. */
export function errorOf(operation: string, failure: Failure, mayHaveHappened: boolean): EventStoreError {
  const options = { cause: failure.error, mayHaveHappened };
  if (failure.kind === "disconnected") {
    const reason = failure.error instanceof Error ? failure.error.message : String(failure.error);
    return new EventStoreError(
      "backend",
      `Redis could not be reached during ${operation}: ${reason}`,
      options,
    );
  }
  const advice = ADVICE[failure.code] ?? "";
  return new EventStoreError(
    "backend",
    `Redis refused ${operation}: ${failure.error.message} ${advice}`.trimEnd(),
    options,
  );
}

/** Whether a refusal leaves it open that an attempt before it, by us or the client, has taken effect. */
export function leavesOpen(failure: Failure): boolean {
  return failure.kind === "disconnected" || !AT_FIRST_WRITE.has(failure.code);
}
