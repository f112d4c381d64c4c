// Defines what a store reports to its observers, and reports failed operations of the log.

import { EventStoreError } from "../log/errors.js";
import type { Gap, MessageKind } from "./messages.js";
import type { UnknownReason } from "./resume-verdict.js";

/** Which stream an observation is about. */
export interface StreamReference {
  /** `undefined` for a stream of the unscoped store. */
  readonly sessionId: string | undefined;
  readonly streamId: string;
}

/**
 * What a store did, for metrics and traces. `type` is a good name for a counter, `durationMs` for a histogram.
 *
 * - `stored`: an event is in the log and was acknowledged.
 * - `unstored`: an event could not be stored and went out live, without an id. `kept`: it waits in memory for the
 *   next resume in this process; else it will show up there as a gap.
 * - `replayed`: a client resumed, and got so many messages.
 * - `gap`: messages after its cursor are gone. `refused`: it was turned away for that (`onGap: "refuse"`).
 * - `expired`: a well-formed cursor was turned away, because its stream is gone: expired, flushed, deleted, or never
 *   written by this session.
 * - `rejected`: a cursor was turned away for any other reason.
 * - `failed`: the log failed at something else than an append.
 * - `session-ended`: so many streams of a session were deleted.
 */
export type StoreObservation =
  | (StreamReference & {
      readonly type: "stored";
      readonly eventId: string;
      readonly kind: MessageKind;
      /** The length of the payload in UTF-16 units: its bytes, as far as it is ASCII. */
      readonly size: number;
      readonly durationMs: number;
    })
  | (StreamReference & {
      readonly type: "unstored";
      readonly kind: MessageKind;
      readonly size: number;
      readonly kept: boolean;
      readonly error: EventStoreError;
      readonly durationMs: number;
    })
  | (StreamReference & { readonly type: "replayed"; readonly messages: number; readonly durationMs: number })
  | (StreamReference & { readonly type: "gap"; readonly refused: boolean } & Gap)
  | (StreamReference & {
      readonly type: "expired";
      readonly reason: UnknownReason;
      readonly durationMs: number;
    })
  | {
      readonly type: "rejected";
      readonly sessionId: string | undefined;
      /** `undefined` when the cursor is malformed. */
      readonly streamId: string | undefined;
      readonly reason: UnknownReason | "finished";
      readonly durationMs: number;
    }
  | {
      readonly type: "failed";
      readonly sessionId: string | undefined;
      readonly streamId: string | undefined;
      readonly operation: "read" | "end" | "index" | "delete";
      readonly error: EventStoreError;
      readonly durationMs: number;
    }
  | {
      readonly type: "session-ended";
      readonly sessionId: string;
      readonly streams: number;
      readonly durationMs: number;
    };

export type Observe = (observation: StoreObservation) => void;

/** What an operation is about, for those who observe it. */
export interface Subject {
  readonly sessionId: string | undefined;
  readonly streamId: string | undefined;
}

type LogOperation = (StoreObservation & { type: "failed" })["operation"];

/** Runs an operation of the log that is no append, and tells of its failure. */
export async function observed<T>(
  observe: Observe | undefined,
  operation: LogOperation,
  subject: Subject,
  work: () => Promise<T>,
): Promise<T> {
  if (observe === undefined) return work();
  const startedAt = performance.now();
  try {
    return await work();
  } catch (error) {
    if (error instanceof EventStoreError) {
      const durationMs = performance.now() - startedAt;
      observe({ type: "failed", ...subject, operation, error, durationMs });
    }
    throw error;
  }
}

/** An observer that fails must not fail what it observes: what it throws is dropped. */
export function safely(observe: Observe): Observe {
  return (observation) => {
    try {
      observe(observation);
    } catch {
      // Nobody is there to hear it: the store has no log of its own.
    }
  };
}
