import { EventStoreError } from "../../log/errors.js";
import type { LogEntry, LogPage } from "../../log/event-log.js";

/** What the append script has answered for one of its streams. The first element of every answer is the mark. */
export function appendAnswer(reply: readonly unknown[], stream: number): string {
  const answer = reply[1 + stream];
  if (typeof answer === "string") return answer;
  throw unexpectedReply(reply);
}

export function parsePage(reply: readonly unknown[]): LogPage | undefined {
  if (reply.length === 1) return undefined;
  const [, epoch, head, floor, ended, first, ...payloads] = texts(reply);
  if (epoch === undefined || first === undefined) throw unexpectedReply(reply);
  const firstSeq = numberOf(first, reply);
  const entries = payloads.map((payload, index): LogEntry => ({ seq: firstSeq + index, payload }));
  return {
    entries,
    head: { epoch, seq: numberOf(head, reply) },
    floor: numberOf(floor, reply),
    ended: ended === "1",
  };
}

function texts(reply: readonly unknown[]): readonly string[] {
  if (reply.every((item) => typeof item === "string")) return reply;
  throw unexpectedReply(reply);
}

function numberOf(text: string | undefined, reply: unknown): number {
  const value = Number(text);
  if (Number.isSafeInteger(value)) return value;
  throw unexpectedReply(reply);
}

export function unexpectedReply(reply: unknown): EventStoreError {
  return new EventStoreError(
    "backend",
    `Redis answered what no script of the log does: ${JSON.stringify({ reply }).slice(0, 200)}`,
  );
}
