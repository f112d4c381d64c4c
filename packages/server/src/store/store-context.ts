import { EventStoreError } from "../log/errors.js";
import type { LimitedLog } from "./limited-log.js";
import type { Observe, StoreObservation } from "./observation.js";
import type { StoreSettings } from "./options.js";
import type { ReplayOutcome, UnknownReason } from "./outcome.js";
import type { Replay } from "./replay.js";
import type { Verdict } from "./verdict.js";

/** What every stream of a store shares. */
export interface StoreContext {
  readonly log: LimitedLog;
  readonly settings: StoreSettings;
  readonly observe: Observe;
  readonly isClosed: () => boolean;
  /** Counts a message that went out live without being stored. */
  readonly countUnstored: () => void;
  /** Remembers work that `close` waits for; all of it is limited in time. */
  readonly track: <T>(work: Promise<T>) => Promise<T>;
}

/** What an operation is about, for those who observe it. */
export interface Subject {
  readonly sessionId: string | undefined;
  readonly streamId: string | undefined;
}

type LogOperation = (StoreObservation & { type: "failed" })["operation"];

/** Runs an operation of the log that is no append, and tells of its failure. */
export async function observed<T>(
  context: StoreContext,
  operation: LogOperation,
  subject: Subject,
  work: () => Promise<T>,
): Promise<T> {
  const startedAt = performance.now();
  try {
    return await work();
  } catch (error) {
    if (error instanceof EventStoreError) {
      const durationMs = performance.now() - startedAt;
      context.observe({ type: "failed", ...subject, operation, error, durationMs });
    }
    throw error;
  }
}

/** Turns a verdict into an outcome, and tells those who observe of a cursor that was turned away. */
export function settle(
  context: StoreContext,
  subject: Subject,
  verdict: Verdict,
  startedAt: number,
): ReplayOutcome {
  const durationMs = performance.now() - startedAt;
  const { sessionId, streamId } = subject;
  if (verdict.kind === "resumed") return { kind: "resumed", replayed: 0 };
  if (verdict.kind === "gap") return { ...verdict, replayed: 0 };
  const reason = verdict.kind === "finished" ? "finished" : verdict.reason;
  if (streamId !== undefined && isExpiry(reason)) {
    context.observe({ type: "expired", sessionId, streamId, reason, durationMs });
  } else {
    context.observe({ type: "rejected", ...subject, reason, durationMs });
  }
  if (verdict.kind === "finished") return { kind: "finished" };
  if (verdict.gap !== undefined && streamId !== undefined) {
    context.observe({ type: "gap", sessionId, streamId, refused: true, ...verdict.gap });
  }
  return { kind: "unknown", reason: verdict.reason };
}

/** Turns a replay that has sent everything into an outcome, and tells those who observe. */
export function settleReplay(
  context: StoreContext,
  subject: Subject & { readonly streamId: string },
  replay: Replay,
  startedAt: number,
): ReplayOutcome {
  const { gap, replayed } = replay;
  const { sessionId, streamId } = subject;
  if (gap !== undefined) context.observe({ type: "gap", sessionId, streamId, refused: false, ...gap });
  const durationMs = performance.now() - startedAt;
  context.observe({ type: "replayed", sessionId, streamId, messages: replayed, durationMs });
  return gap === undefined ? { kind: "resumed", replayed } : { kind: "gap", replayed, ...gap };
}

function isExpiry(reason: UnknownReason | "finished"): reason is UnknownReason {
  return reason === "no-stream" || reason === "other-epoch" || reason === "nothing-left";
}
