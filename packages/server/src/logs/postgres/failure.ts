// Tells from a failed statement whether to try again, whether it may have taken effect, and which error to throw.
import { EventStoreError } from "../../log/errors.js";

/** Why an attempt to run a statement failed. */
export type Failure =
  /** The server answered with an error: `code` is its SQLSTATE. */
  | { readonly kind: "refused"; readonly code: string; readonly error: Error }
  /** No answer: there is no connection any more. `wasSent` unless it is known that there never was one. */
  | { readonly kind: "disconnected"; readonly error: unknown; readonly wasSent: boolean };

export function failureOf(error: unknown): Failure {
  if (error instanceof Error && "code" in error && typeof error.code === "string") {
    const { code } = error;
    // Only what the server says has a severity; what the operating system says has a call.
    if ("severity" in error && /^[0-9A-Z]{5}$/.test(code)) return { kind: "refused", code, error };
    const isRefusedConnect =
      "syscall" in error && (error.syscall === "connect" || error.syscall === "getaddrinfo");
    return { kind: "disconnected", error, wasSent: !isRefusedConnect };
  }
  // Several addresses of one host were tried, and none answered.
  if (error instanceof AggregateError && error.errors.length > 0) {
    const wasSent = error.errors.some((one) => isSent(failureOf(one)));
    return { kind: "disconnected", error, wasSent };
  }
  return { kind: "disconnected", error, wasSent: true };
}

function isSent(failure: Failure): boolean {
  return failure.kind === "refused" || failure.wasSent;
}

/** SQLSTATE: shutting down or starting, out of connections, a deadlock or a conflict of transactions, a lock. */
const PASSING = new Set(["57P01", "57P02", "57P03", "53300", "40001", "40P01", "55P03"]);

/** Whether trying again soon makes sense. */
export function isPassing(failure: Failure): boolean {
  return failure.kind === "disconnected" || failure.code.startsWith("08") || PASSING.has(failure.code);
}

/** Whether the statement may have taken effect. An error undoes it, unless the server was shutting down or crashing. */
export function leavesOpen(failure: Failure): boolean {
  if (failure.kind === "disconnected") return failure.wasSent;
  return failure.code.startsWith("08") || /^(57P0[12]|40003)$/.test(failure.code);
}

const MIGRATE = "Run migratePostgresLog(pool) first, with the same schema.";
const ADVICE: Readonly<Record<string, string>> = {
  "42P01": MIGRATE,
  "3F000": MIGRATE,
  "42703": MIGRATE,
  "42501": "The pool's user needs USAGE on the schema, and SELECT, INSERT, UPDATE and DELETE on its tables.",
  "25006": "The server is a replica, as after a failover: connect the pool to the primary.",
  "53100": "The server's disk is full.",
  "53300": "The server has no connection left: give the pool fewer, or the server more.",
};

/** SQLSTATE query_canceled, as by the server's own statement_timeout. */
const CANCELED = "57014";

/** The error that the caller of the log gets. */
export function errorOf(operation: string, failure: Failure, mayHaveHappened: boolean): EventStoreError {
  const options = { cause: failure.error, mayHaveHappened };
  if (failure.kind === "disconnected") {
    const reason = failure.error instanceof Error ? failure.error.message : String(failure.error);
    return new EventStoreError(
      "backend",
      `Postgres could not be reached during ${operation}: ${reason}`,
      options,
    );
  }
  const advice = ADVICE[failure.code] ?? "";
  return new EventStoreError(
    failure.code === CANCELED ? "timeout" : "backend",
    `Postgres refused ${operation}: ${failure.error.message} (SQLSTATE ${failure.code}). ${advice}`.trimEnd(),
    options,
  );
}
