// Decides from a stream's first page whether a client can resume from its cursor, and defines the outcomes of a replay.

import type { LogPage } from "../log/event-log.js";
import type { ParsedEventId } from "./event-id.js";
import { type Gap, isResponsePayload } from "./messages.js";

/**
 * Why a cursor cannot be resumed.
 *
 * - `malformed`: no event id of this store.
 * - `no-stream`: the stream is not there: never written by this session, deleted, or expired as a whole.
 * - `other-epoch`: the stream was lost and started anew (flushed, evicted, expired) since the id was given.
 * - `ahead`: the stream is shorter than the id says; the storage lost acknowledged events.
 * - `nothing-left`: the stream has ended, and all that came after the cursor is gone, the final response included.
 * - `gap`: messages after the cursor are gone, and `onGap` is `"refuse"`.
 * - `session-ended`: `endSession` was called for this session.
 */
export type UnknownReason =
  "malformed" | "no-stream" | "other-epoch" | "ahead" | "nothing-left" | "gap" | "session-ended";

/**
 * What became of a replay.
 *
 * - `resumed`: everything after the cursor was sent.
 * - `gap`: some messages after the cursor are gone; what is left was sent, behind a notification that says so.
 * - `finished`: the cursor is at or after the final response; nothing was sent.
 * - `unknown`: the cursor cannot be resumed; nothing was sent.
 *
 * `replayed` counts the messages that were sent, gap notifications not among them; `inspect` sends nothing.
 */
export type ReplayOutcome =
  | { readonly kind: "resumed"; readonly replayed: number }
  | ({ readonly kind: "gap"; readonly replayed: number } & Gap)
  | { readonly kind: "finished" }
  | { readonly kind: "unknown"; readonly reason: UnknownReason };

/** What can be had from a cursor, before anything of it was read. */
export type Verdict =
  | { readonly kind: "resumed" }
  | ({ readonly kind: "gap" } & Gap)
  | { readonly kind: "finished" }
  | {
      readonly kind: "unknown";
      readonly reason: UnknownReason;
      /** What is missing, when it was refused for that. */
      readonly gap?: Gap;
    };

/** What counts for a verdict beside the page. */
export interface VerdictFacts {
  /** Whether a JSON-RPC response ends the stream. */
  readonly endsWithResponse: boolean;
  readonly refusesGaps: boolean;
  /** Whether anything waits in memory after the cursor. */
  readonly hasUnstored: boolean;
  /** How many messages after the cursor were lost without ever being stored. */
  readonly lost: number;
  /** Whether a response is among what this process could not store. */
  readonly hasUnstoredResponse: boolean;
}

/**
 * Decides from one page of the stream, which starts with the cursor's own event if that is still there.
 *
 * A stream that was silent for longer than its events live is no gap: the cursor is at the head.
 */
export function judge(cursor: ParsedEventId, page: LogPage | undefined, facts: VerdictFacts): Verdict {
  if (page === undefined) return unknown("no-stream");
  if (page.head.epoch !== cursor.epoch) return unknown("other-epoch");
  if (cursor.seq > page.head.seq) return unknown("ahead");
  const isAtHead = cursor.seq === page.head.seq && !facts.hasUnstored;
  if (isAtHead && isFinished(cursor, page, facts)) return { kind: "finished" };
  const next = page.entries.find(({ seq }) => seq > cursor.seq);
  if (page.ended && !isAtHead && next === undefined && !facts.hasUnstored) return unknown("nothing-left");
  const gap = gapAfter(cursor.seq, next?.seq ?? page.head.seq + 1, facts.lost);
  if (gap === undefined) return { kind: "resumed" };
  return facts.refusesGaps ? { kind: "unknown", reason: "gap", gap } : { kind: "gap", ...gap };
}

/** Looks at the last event too: a process may have died between storing the response and ending the stream. */
function isFinished(cursor: ParsedEventId, page: LogPage, facts: VerdictFacts): boolean {
  if (page.ended) return true;
  if (!facts.endsWithResponse) return false;
  if (facts.hasUnstoredResponse) return true;
  const own = page.entries.find(({ seq }) => seq === cursor.seq);
  return own !== undefined && isResponsePayload(own.payload);
}

function gapAfter(seq: number, next: number, lost: number): Gap | undefined {
  const missed = next - seq - 1 + lost;
  return missed === 0 ? undefined : { missed, from: seq + 1, to: next - 1 };
}

function unknown(reason: UnknownReason): Verdict {
  return { kind: "unknown", reason };
}
