import type { LogPage } from "../log/event-log.js";
import type { ParsedEventId } from "./event-id.js";
import { type Gap, isResponsePayload } from "./messages.js";
import type { UnknownReason } from "./outcome.js";
import type { UnstoredRecord } from "./unstored.js";

/** What can be had from a cursor. */
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

export interface VerdictFacts {
  /** Whether a JSON-RPC response ends the stream. */
  readonly endsWithResponse: boolean;
  readonly refusesGaps: boolean;
  /** What waits in memory after the cursor. */
  readonly due: readonly UnstoredRecord[];
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
  const isAtHead = cursor.seq === page.head.seq && facts.due.length === 0;
  if (isAtHead && isFinished(cursor, page, facts)) return { kind: "finished" };
  const next = page.entries.find(({ seq }) => seq > cursor.seq);
  if (page.ended && !isAtHead && next === undefined && facts.due.length === 0) return unknown("nothing-left");
  const gap = gapAfter(cursor.seq, next?.seq ?? page.head.seq + 1, facts.due);
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

function gapAfter(seq: number, next: number, due: readonly UnstoredRecord[]): Gap | undefined {
  const trimmed = next - seq - 1;
  const missed = due.reduce((sum, record) => sum + record.missed, trimmed);
  return missed === 0 ? undefined : { missed, from: seq + 1, to: next - 1 };
}

function unknown(reason: UnknownReason): Verdict {
  return { kind: "unknown", reason };
}
