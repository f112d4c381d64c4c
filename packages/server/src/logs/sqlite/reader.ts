import { EventStoreError } from "../../log/errors.js";
import type { LogEntry, LogPage } from "../../log/event-log.js";
import { firstRow, type SqliteDatabase } from "./database.js";
import { decodeText, encodeText } from "./text.js";
import { rollBack } from "./schema.js";
import type { Statements } from "./statements.js";
import { firstReadable, isForgotten, storedStream } from "./stream-state.js";

/** @returns `undefined` when there is no such stream. */
export function readPage(
  database: SqliteDatabase,
  statements: Statements,
  stream: string,
  after: number,
  limit: number,
  now: number,
): LogPage | undefined {
  const page = tryRead(statements, stream, after, limit, now);
  if (page !== "changed") return page;
  // Another process trimmed between two statements. In a transaction they see the same state.
  database.exec("BEGIN");
  try {
    const again = tryRead(statements, stream, after, limit, now);
    if (again !== "changed") return again;
    throw new EventStoreError("backend", `The SQLite database lacks events of ${JSON.stringify(stream)}.`);
  } finally {
    rollBack(database);
  }
}

function tryRead(
  statements: Statements,
  stream: string,
  after: number,
  limit: number,
  now: number,
): LogPage | "changed" | undefined {
  const row = firstRow(statements.stream.all(encodeText(stream)));
  if (row === undefined) return undefined;
  const state = storedStream(row);
  if (isForgotten(state, now)) return undefined;
  const floor = firstReadable(statements, state, now);
  const first = Math.max(after + 1, floor);
  const last = Math.min(state.head, first + limit - 1);
  const entries = first > last ? [] : entriesOf(statements.page.all(state.id, first, last), first);
  if (entries.length < last - first + 1) return "changed";
  return { entries, head: { epoch: state.epoch, seq: state.head }, floor, ended: state.isEnded };
}

function entriesOf(rows: readonly unknown[], first: number): LogEntry[] {
  const entries: LogEntry[] = [];
  let seq = first;
  for (const row of rows) {
    // The column of our own statement; what it holds is looked at below. A page is the hot path of a replay.
    const { payload } = row as { readonly payload: unknown };
    // Swept by another process since we looked.
    if (payload === null) break;
    entries.push({ seq, payload: decodeText(payload) });
    seq += 1;
  }
  return entries;
}
