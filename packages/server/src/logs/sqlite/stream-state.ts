// Reads the state of a stream (head, floor, retention) from its rows, and remembers it between two appends.
import { forgetAfterMs } from "../../log/retention-window.js";
import { firstRow, type Row } from "./database.js";
import type { Statements } from "./statements.js";

/** The state of a stream, read from its newest event's row. It holds until another process appends. */
export interface StreamState {
  readonly id: number;
  readonly epoch: string;
  readonly isEnded: boolean;
  head: number;
  /** When the newest event was appended, in milliseconds. */
  at: number;
  /** The oldest seq that was not dropped; those that only expired may be among the rest. */
  floor: number;
  /** When the event at the floor was appended; `undefined` when there is none, or it is not known. */
  floorAt: number | undefined;
  ttlMs: number | null;
  headTtlMs: number | null;
  /** The payloads of all events there ever were, in bytes. */
  bytes: number;
  /** At least this many of those bytes belong to dropped events. */
  droppedBytes: number;
  /** Rows below this seq are gone, or are left to the sweeper. */
  trimmedTo: number;
  bytesSinceTrim: number;
}

export function newStream(id: number, epoch: string, now: number): StreamState {
  return {
    id,
    epoch,
    isEnded: false,
    head: 0,
    at: now,
    floor: 1,
    floorAt: undefined,
    ttlMs: null,
    headTtlMs: null,
    bytes: 0,
    droppedBytes: 0,
    trimmedTo: 1,
    bytesSinceTrim: 0,
  };
}

export function storedStream(row: Row): StreamState {
  const head = row.number("head");
  // The oldest row that is there: what was swept is gone, whatever the newest row still says.
  const floor = row.numberOrNull("oldest") ?? head + 1;
  return {
    id: row.number("id"),
    epoch: row.text("epoch"),
    isEnded: row.number("ended") !== 0,
    head,
    at: row.number("head_at"),
    floor,
    floorAt: row.numberOrNull("oldest_at") ?? undefined,
    ttlMs: row.numberOrNull("ttl_ms"),
    headTtlMs: row.numberOrNull("head_ttl_ms"),
    bytes: row.number("bytes"),
    droppedBytes: 0,
    trimmedTo: floor,
    bytesSinceTrim: 0,
  };
}

/** Whether the stream is forgotten, head and all, although it still has rows. */
export function isForgotten(state: StreamState, now: number): boolean {
  const limit = forgetAfterMs(state, state.isEnded);
  return limit !== null && now - state.at > limit;
}

/** The oldest seq that was neither dropped nor has expired; `head + 1` when there is none. */
export function firstReadable(statements: Statements, state: StreamState, now: number): number {
  const { ttlMs } = state;
  if (ttlMs === null || state.floor > state.head) return state.floor;
  const isExpired = (at: number) => now - at > ttlMs;
  if (isExpired(state.at)) return state.head + 1;
  if (state.floorAt !== undefined && !isExpired(state.floorAt)) return state.floor;
  // Times never run backwards within a stream, and the newest event has not expired.
  let low = state.floor;
  let high = state.head;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const at = timeOf(statements, state.id, middle);
    if (at === undefined || isExpired(at)) low = middle + 1;
    else high = middle;
  }
  return low;
}

function timeOf(statements: Statements, id: number, seq: number): number | undefined {
  return firstRow(statements.at.all(id, seq))?.number("at");
}

/** How many states are kept in the young generation, and at most in the old one. */
const MAX_RECENT_STREAMS = 5000;

/** The states of recently used streams, in two generations, so that each step takes constant time. */
export class RecentStreams {
  #young = new Map<string, StreamState>();
  #old = new Map<string, StreamState>();

  get(name: string): StreamState | undefined {
    const young = this.#young.get(name);
    if (young !== undefined) return young;
    const old = this.#old.get(name);
    if (old !== undefined) this.set(name, old);
    return old;
  }

  set(name: string, state: StreamState): void {
    if (this.#young.size >= MAX_RECENT_STREAMS) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(name, state);
  }

  delete(name: string): void {
    this.#young.delete(name);
    this.#old.delete(name);
  }

  clear(): void {
    this.#young.clear();
    this.#old.clear();
  }
}
