// Reads streams, appends to them, ends and deletes them, with few statements, and applies their retention.
import { EventStoreError, endedError } from "../../log/errors.js";
import type { LogEntry, LogPage, Position, Retention } from "../../log/event-log.js";
import { randomId } from "../../log/text.js";
import { firstRow, rollBack, type SqliteDatabase } from "./database.js";
import { decodeText, encodeName, encodeText, type Statements } from "./statements.js";
import {
  firstReadable,
  isForgotten,
  newStream,
  RecentStreams,
  storedStream,
  type StreamState,
} from "./stream-state.js";

/** Dropped events are removed when there are this many, or this many bytes came since: one step for many appends. */
const DROPPED_ROWS_TO_TRIM = 64;
const BYTES_TO_TRIM = 1024 * 1024;
/** At most this many rows are removed in one step; a backlog shrinks over the next ones. */
const MAX_ROWS_PER_TRIM = 256;

/** An event on its way into the log. */
export interface NewEvent {
  readonly stream: string;
  readonly payload: string;
  readonly bytes: number;
  readonly retention: Retention;
  /** When it was appended, in milliseconds. */
  readonly now: number;
}

/** The streams of one database. All changes but {@link appendAlone} expect to run within a write transaction. */
export class Streams {
  readonly #database: SqliteDatabase;
  readonly #statements: Statements;
  readonly #recent = new RecentStreams();

  constructor(database: SqliteDatabase, statements: Statements) {
    this.#database = database;
    this.#statements = statements;
  }

  /** @returns `undefined` when there is no such stream. */
  read(stream: string, after: number, limit: number, now: number): LogPage | undefined {
    const page = this.#tryRead(stream, after, limit, now);
    if (page !== "changed") return page;
    // Another process trimmed between two statements. In a transaction they see the same state.
    this.#database.exec("BEGIN");
    try {
      const again = this.#tryRead(stream, after, limit, now);
      if (again !== "changed") return again;
      throw new EventStoreError("backend", `The SQLite database lacks events of ${JSON.stringify(stream)}.`);
    } finally {
      rollBack(this.#database);
    }
  }

  /**
   * Appends by a single statement, which is its own transaction.
   *
   * @returns `undefined` when one statement is not enough; nothing was written then.
   */
  appendAlone(event: NewEvent): Position | undefined {
    const state = this.#recent.get(event.stream);
    if (state === undefined || isForgotten(state, event.now) || isTrimDue(state)) return undefined;
    return this.#tryAppend(state, event);
  }

  /** @throws {EventStoreError} `ended` */
  append(event: NewEvent): Position {
    const { stream, now } = event;
    const known = this.#recent.get(stream);
    if (known !== undefined && !isForgotten(known, now)) {
      const position = this.#appendAndTrim(known, event);
      if (position !== undefined) return position;
    }
    const stored = this.#load(stream);
    if (stored === undefined || isForgotten(stored, now)) return this.#create(event);
    if (stored.isEnded) throw endedError(stream);
    this.#recent.set(stream, stored);
    const position = this.#appendAndTrim(stored, event);
    if (position !== undefined) return position;
    throw new EventStoreError(
      "backend",
      `The SQLite database has no consistent rows of ${JSON.stringify(stream)}.`,
    );
  }

  end(stream: string, now: number): void {
    this.#recent.delete(stream);
    const stored = this.#load(stream);
    if (stored !== undefined && !isForgotten(stored, now)) this.#statements.end.run(stored.id);
  }

  /** Takes the name off the stream; its rows are left to the sweeper, however many there are. */
  delete(stream: string): void {
    this.#recent.delete(stream);
    this.#statements.unname.run(encodeName(stream));
  }

  /** Forgets the remembered states, which may be wrong after a transaction that failed. */
  forgetAll(): void {
    this.#recent.clear();
  }

  #tryRead(stream: string, after: number, limit: number, now: number): LogPage | "changed" | undefined {
    const state = this.#load(stream);
    if (state === undefined || isForgotten(state, now)) return undefined;
    const floor = firstReadable(this.#statements, state, now);
    const first = Math.max(after + 1, floor);
    const last = Math.min(state.head, first + limit - 1);
    const entries = first > last ? [] : entriesOf(this.#statements.page.all(state.id, first, last), first);
    if (entries.length < last - first + 1) return "changed";
    return { entries, head: { epoch: state.epoch, seq: state.head }, floor, ended: state.isEnded };
  }

  #load(stream: string): StreamState | undefined {
    const row = firstRow(this.#statements.stream.all(encodeName(stream)));
    return row === undefined ? undefined : storedStream(row);
  }

  #create(event: NewEvent): Position {
    this.delete(event.stream);
    const epoch = randomId();
    const id = firstRow(this.#statements.create.all(encodeName(event.stream), epoch))?.number("id");
    if (id === undefined)
      throw new EventStoreError("backend", "The SQLite database gave no id to a new stream.");
    const state = newStream(id, epoch, event.now);
    this.#write(this.#statements.firstAppend, state, event);
    this.#recent.set(event.stream, state);
    return { epoch, seq: 1 };
  }

  /** @returns `undefined` when another process has changed the stream since its state was read. */
  #tryAppend(state: StreamState, event: NewEvent): Position | undefined {
    if (!this.#write(this.#statements.append, state, event)) {
      this.#recent.delete(event.stream);
      return undefined;
    }
    return { epoch: state.epoch, seq: state.head };
  }

  #appendAndTrim(state: StreamState, event: NewEvent): Position | undefined {
    const position = this.#tryAppend(state, event);
    if (position !== undefined && isTrimDue(state)) this.#trim(state);
    return position;
  }

  #write(statement: Statements["append"], state: StreamState, event: NewEvent): boolean {
    const { payload, bytes, retention, now } = event;
    const seq = state.head + 1;
    // A clock that was set back must not make an event expire before older ones.
    const at = Math.max(now, state.at);
    const { floor, droppedBytes } = this.#floorAfter(state, event);
    const stored = floor > seq ? null : encodeText(payload);
    const { changes } = statement.run(
      ...[state.id, seq, floor, at, retention.ttlMs, retention.headTtlMs, state.bytes, bytes, stored],
    );
    if (Number(changes) === 0) return false;
    if (floor !== state.floor || floor === seq) state.floorAt = floor === seq ? at : undefined;
    state.head = seq;
    state.at = at;
    state.floor = floor;
    state.ttlMs = retention.ttlMs;
    state.headTtlMs = retention.headTtlMs;
    state.bytes += bytes;
    state.droppedBytes = droppedBytes;
    state.bytesSinceTrim += bytes;
    return true;
  }

  /** The oldest seq that is kept once the event is there. */
  #floorAfter(state: StreamState, event: NewEvent): { floor: number; droppedBytes: number } {
    const { bytes, now } = event;
    const { maxEvents, maxBytes, ttlMs } = event.retention;
    const seq = state.head + 1;
    let { floor, droppedBytes } = state;
    // What has expired must not come back when events live longer from now on.
    if (state.ttlMs !== null && (ttlMs === null || ttlMs > state.ttlMs)) {
      floor = firstReadable(this.#statements, state, now);
    }
    if (maxEvents !== null) floor = Math.max(floor, seq - Math.floor(maxEvents) + 1);
    if (maxBytes !== null) {
      const leastDroppedBytes = state.bytes + bytes - maxBytes;
      if (bytes > maxBytes) floor = seq + 1;
      else if (leastDroppedBytes > droppedBytes) {
        const oldest = firstRow(this.#statements.fromBytes.all(state.id, floor, leastDroppedBytes));
        floor = Math.max(floor, oldest?.number("seq") ?? seq);
        droppedBytes = oldest?.number("bytes_before") ?? state.bytes;
      }
    }
    return { floor, droppedBytes };
  }

  #trim(state: StreamState): void {
    const oldest = firstRow(this.#statements.oldest.all(state.id))?.number("seq") ?? state.head;
    const end = Math.min(state.floor, state.head, oldest + MAX_ROWS_PER_TRIM);
    this.#statements.trim.run(state.id, end);
    state.trimmedTo = end;
    state.bytesSinceTrim = 0;
  }
}

function isTrimDue(state: StreamState): boolean {
  const dropped = Math.min(state.floor, state.head) - state.trimmedTo;
  return dropped >= DROPPED_ROWS_TO_TRIM || (dropped > 0 && state.bytesSinceTrim >= BYTES_TO_TRIM);
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
