import { EventStoreError } from "../../errors.js";
import type { LogEntry, LogPage, Position } from "../../event-log.js";
import { ENDED, LATE } from "./append-script.js";

/** What became of one stream's events in a call of the append script. */
export type Appended =
  /** The position of the last of them. */
  | { readonly kind: "stored"; readonly last: Position }
  | { readonly kind: "ended" }
  | { readonly kind: "late" };

/** Each stream has two elements of the reply. */
export function parseAppended(reply: unknown, stream: number): Appended {
  const [epoch, head] = texts(reply).slice(2 * stream, 2 * stream + 2);
  if (epoch === undefined || head === undefined) throw unexpected(reply);
  if (epoch === "") {
    if (head === ENDED) return { kind: "ended" };
    if (head === LATE) return { kind: "late" };
    throw unexpected(reply);
  }
  return { kind: "stored", last: { epoch, seq: numberOf(head, reply) } };
}

export function parsePage(reply: unknown): LogPage | undefined {
  if (reply === null) return undefined;
  const [epoch, head, floor, ended, first, ...payloads] = texts(reply);
  if (epoch === undefined || first === undefined) throw unexpected(reply);
  const firstSeq = numberOf(first, reply);
  const entries = payloads.map((payload, index): LogEntry => ({ seq: firstSeq + index, payload }));
  return {
    entries,
    head: { epoch, seq: numberOf(head, reply) },
    floor: numberOf(floor, reply),
    ended: ended === "1",
  };
}

function texts(reply: unknown): string[] {
  if (Array.isArray(reply) && reply.every((item) => typeof item === "string")) return reply;
  throw unexpected(reply);
}

function numberOf(text: string | undefined, reply: unknown): number {
  const value = Number(text);
  if (Number.isSafeInteger(value)) return value;
  throw unexpected(reply);
}

function unexpected(reply: unknown): EventStoreError {
  return new EventStoreError(
    "backend",
    `Redis answered what no script of the log does: ${String(JSON.stringify(reply)).slice(0, 200)}`,
  );
}
