// Says of one call how it ended, and which of its messages were lost, doubled or out of order.
import { countMessage, countResult } from "../sdk-servers/count-tool.js";

export type Outcome =
  | { readonly kind: "result"; readonly text: string }
  | { readonly kind: "error"; readonly error: unknown }
  /** Nothing came until the run's limit. */
  | { readonly kind: "hung" };

/** One call as it was seen from outside. */
export interface CallRecord {
  readonly key: string;
  /** How many messages the server sends. */
  readonly messages: number;
  readonly intervalMs: number;
  /** Every message as it was handed over, in that order, nothing removed. */
  readonly arrivals: readonly string[];
  readonly outcome: Outcome;
  /** How often the server executed the call. */
  readonly executions: number;
}

/** How a call ended. */
export type Ending =
  | { readonly kind: "completed" }
  /** The result is not the one that the server gave. */
  | { readonly kind: "wrong-result"; readonly text: string }
  /** A typed error: what went wrong, and whether the server may have executed the call. */
  | { readonly kind: "typed-error"; readonly code: string; readonly maybeExecuted: boolean }
  | { readonly kind: "other-error"; readonly message: string }
  | { readonly kind: "hung" };

export interface Verdict {
  readonly key: string;
  readonly ending: Ending;
  /** All arrivals, of whatever message. */
  readonly arrived: number;
  /** Messages of the call that never came. */
  readonly lost: number;
  /** Arrivals of messages that had come before. */
  readonly duplicated: number;
  /** First arrivals of messages after a later one had come. */
  readonly outOfOrder: number;
  /** Arrivals that are no message of this call. */
  readonly foreign: number;
  readonly executions: number;
}

function property(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}

/**
 * The typed error of `@resumable-mcp/client` in what an SDK's client rejected with: the error itself, or a JSON-RPC
 * error whose data carries it. The one place that knows.
 */
function typedError(error: unknown): { code: string; maybeExecuted: boolean } | undefined {
  const source =
    error instanceof Error && error.name === "ResumeError"
      ? error
      : property(property(error, "data"), "resumable-mcp");
  const code = property(source, "code");
  const maybeExecuted = property(source, "maybeExecuted");
  return typeof code === "string" && typeof maybeExecuted === "boolean" ? { code, maybeExecuted } : undefined;
}

function endingOf(call: CallRecord): Ending {
  const { outcome } = call;
  switch (outcome.kind) {
    case "hung":
      return outcome;
    case "result":
      return outcome.text === countResult(call)
        ? { kind: "completed" }
        : { kind: "wrong-result", text: outcome.text };
    case "error": {
      const typed = typedError(outcome.error);
      return typed === undefined
        ? { kind: "other-error", message: String(outcome.error) }
        : { kind: "typed-error", ...typed };
    }
  }
}

export function judge(call: CallRecord): Verdict {
  const numbers = new Map(
    Array.from({ length: call.messages }, (_, index) => [countMessage(call.key, index + 1), index + 1]),
  );
  const seen = new Set<number>();
  let newest = 0;
  let duplicated = 0;
  let outOfOrder = 0;
  let foreign = 0;
  for (const arrival of call.arrivals) {
    const number = numbers.get(arrival);
    if (number === undefined) foreign += 1;
    else if (seen.has(number)) duplicated += 1;
    else if (number < newest) outOfOrder += 1;
    if (number === undefined) continue;
    seen.add(number);
    newest = Math.max(newest, number);
  }
  return {
    key: call.key,
    ending: endingOf(call),
    arrived: call.arrivals.length,
    lost: call.messages - seen.size,
    duplicated,
    outOfOrder,
    foreign,
    executions: call.executions,
  };
}

/** Whether a call ended with the typed error that says that it may have been executed. */
export function isMaybeExecuted({ ending }: Verdict): boolean {
  return ending.kind === "typed-error" && ending.maybeExecuted;
}

export function isCompleted({ ending }: Verdict): boolean {
  return ending.kind === "completed";
}

/** Messages that never came, but for those of calls whose error says that the answer never began. */
export function lostUnsaid(verdicts: readonly Verdict[]): number {
  return sum(
    verdicts.filter((verdict) => !isMaybeExecuted(verdict)),
    "lost",
  );
}

export function sum(
  verdicts: readonly Verdict[],
  of: "lost" | "duplicated" | "outOfOrder" | "foreign",
): number {
  return verdicts.reduce((total, verdict) => total + verdict[of], 0);
}
