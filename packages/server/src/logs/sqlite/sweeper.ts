// Removes the rows of expired and deleted streams and events from the file, in small steps on a timer.
import { unref } from "../../log/waits.js";
import { checkOpen, firstRow, rollBack, Row, type SqliteDatabase } from "./database.js";
import type { Statements } from "./statements.js";
import { firstReadable, isForgotten, storedStream } from "./stream-state.js";

/** How many streams one step looks at, and how many rows it removes at most, in a transaction of its own. */
const STREAMS_PER_STEP = 64;
const ROWS_PER_STEP = 500;
/** The pause between two steps of one lap, in milliseconds. */
const STEP_PAUSE_MS = 20;

/** Goes over all streams in laps, on a timer that does not keep the process alive. No append or read waits for it. */
export class Sweeper {
  readonly #database: SqliteDatabase;
  readonly #statements: Statements;
  readonly #intervalMs: number;
  readonly #now: () => number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isSoon = false;
  #isStopped = false;
  /** The stream that was looked at last in this lap. */
  #last = 0;

  constructor(database: SqliteDatabase, statements: Statements, intervalMs: number, now: () => number) {
    this.#database = database;
    this.#statements = statements;
    this.#intervalMs = intervalMs;
    this.#now = now;
    this.#schedule(intervalMs);
  }

  /** Sweeps without waiting for the next lap, since there is something to remove. */
  sweepSoon(): void {
    if (!this.#isSoon) this.#schedule(STEP_PAUSE_MS);
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  #schedule(ms: number): void {
    if (this.#isStopped) return;
    clearTimeout(this.#timer);
    this.#isSoon = ms === STEP_PAUSE_MS;
    this.#timer = setTimeout(() => this.#step(), ms);
    unref(this.#timer);
  }

  #step(): void {
    let isLapDone: boolean;
    try {
      checkOpen(this.#database);
      isLapDone = this.#sweepDeleted() && this.#sweepStreams();
    } catch {
      // Nobody waits for a sweep. A lock comes free again, and other failures show in the calls of the log.
      isLapDone = true;
    }
    this.#schedule(isLapDone ? this.#intervalMs : STEP_PAUSE_MS);
  }

  /** @returns whether nothing is left of deleted streams. */
  #sweepDeleted(): boolean {
    const { firstDeleted, remove } = this.#statements;
    if (firstRow(firstDeleted.all()) === undefined) return true;
    this.#write(() => {
      let budget = ROWS_PER_STEP;
      while (budget > 0) {
        const id = firstRow(firstDeleted.all())?.number("id");
        if (id === undefined) return;
        budget -= 1 + this.#removeRows(id, Infinity, budget);
        if (this.#oldest(id) === undefined) remove.run(id);
      }
    });
    return false;
  }

  /** @returns whether the lap is over. */
  #sweepStreams(): boolean {
    // Looks first without the lock: most of the time there is nothing to do.
    let page = this.#page();
    if (page.some((row) => this.#sweep(row, 0) > 0)) {
      this.#write(() => {
        let budget = ROWS_PER_STEP;
        page = this.#page();
        for (const row of page) {
          if (budget <= 0) return;
          budget -= this.#sweep(row, budget);
          if (budget > 0) this.#last = row.number("id");
        }
      });
      return false;
    }
    this.#last = page.at(-1)?.number("id") ?? 0;
    if (page.length === STREAMS_PER_STEP) return false;
    this.#last = 0;
    return true;
  }

  #page(): Row[] {
    return this.#statements.streamsAfter.all(this.#last, STREAMS_PER_STEP).map((row) => new Row(row));
  }

  /** @returns how many rows were changed; with a budget of 0, a number above 0 when there are some to change. */
  #sweep(row: Row, budget: number): number {
    const state = storedStream(row);
    const now = this.#now();
    if (isForgotten(state, now)) {
      if (budget > 0) this.#statements.unnameById.run(state.id);
      return 1;
    }
    const floor = firstReadable(this.#statements, state, now);
    // The newest row stays for as long as the stream does; without its payload.
    const end = Math.min(floor, state.head);
    const oldest = this.#oldest(state.id) ?? end;
    const isEmpty = floor > state.head && state.floor <= state.head;
    if (budget === 0) return Math.max(0, end - oldest) + (isEmpty ? 1 : 0);
    let changed = this.#removeRows(state.id, end, budget);
    if (isEmpty && changed < budget)
      changed += Number(this.#statements.forgetPayload.run(state.id, state.head).changes);
    return changed;
  }

  #removeRows(id: number, end: number, budget: number): number {
    const oldest = this.#oldest(id);
    if (oldest === undefined || oldest >= end) return 0;
    return Number(this.#statements.trim.run(id, Math.min(end, oldest + budget)).changes);
  }

  #oldest(id: number): number | undefined {
    return firstRow(this.#statements.oldest.all(id))?.numberOrNull("seq") ?? undefined;
  }

  #write(change: () => void): void {
    this.#statements.begin.run();
    try {
      change();
      this.#statements.commit.run();
    } catch (error) {
      rollBack(this.#database);
      throw error;
    }
  }
}
