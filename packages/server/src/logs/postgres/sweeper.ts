// Removes the rows of expired, dropped and deleted events from the tables, a limited number at a time.
import { EventStoreError } from "../../log/errors.js";
import { isAborted } from "../../log/waits.js";
import { Pause } from "./pause.js";
import type { StatementRunner } from "./runner.js";
import { type Statements, toText } from "./statements.js";

/** How many streams one statement looks at, and how many events of one stream it removes at most. */
const STREAMS_PER_STATEMENT = 64;
const EVENTS_PER_STATEMENT = 500;
/** How many deleted streams one statement clears. */
const DELETED_PER_STATEMENT = 16;
/** After this many appended events a stream is trimmed, so that it does not hold many more than it may. */
const APPENDS_BEFORE_TRIM = 64;
/** For how many streams appends are counted. The laps over all streams take care of the others. */
const MAX_COUNTED_STREAMS = 10_000;
/** Between two statements, in milliseconds. */
const PAUSE_MS = 10;
const FIRST_KEY = "";

/** Runs small statements one after the other in the background; no append and no read waits for them. */
export class Sweeper {
  readonly #runner: StatementRunner;
  readonly #statements: Statements;
  readonly #onError: (error: EventStoreError) => void;
  readonly #closing = new AbortController();
  readonly #running: Promise<void>;
  readonly #appends = new Map<string, number>();
  readonly #due = new Set<string>();
  #endPause: () => void = () => undefined;

  constructor(
    runner: StatementRunner,
    statements: Statements,
    intervalMs: number,
    onError: (error: EventStoreError) => void,
  ) {
    this.#runner = runner;
    this.#statements = statements;
    this.#onError = onError;
    this.#running = this.#run(intervalMs);
  }

  appended(stream: string, events: number): void {
    const count = (this.#appends.get(stream) ?? 0) + events;
    if (count < APPENDS_BEFORE_TRIM) {
      if (this.#appends.size < MAX_COUNTED_STREAMS || this.#appends.has(stream))
        this.#appends.set(stream, count);
      return;
    }
    this.#appends.delete(stream);
    if (this.#due.size >= MAX_COUNTED_STREAMS) return;
    this.#due.add(stream);
    this.#endPause();
  }

  async stop(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  async #run(intervalMs: number): Promise<void> {
    const { signal } = this.#closing;
    // Processes that were started together must not sweep together.
    let lapAt = performance.now() + intervalMs * Math.random();
    while (!signal.aborted) {
      const pause = new Pause(Math.max(0, lapAt - performance.now()), signal);
      this.#endPause = pause.end;
      if (this.#due.size > 0) pause.end();
      await pause.ended;
      try {
        await this.#trimDue();
        if (performance.now() < lapAt) continue;
        await this.#lap();
        this.#appends.clear();
      } catch (error) {
        // Nobody waits for a sweep; the next lap finds what is left.
        this.#due.clear();
        if (!isAborted(signal)) this.#onError(asStoreError(error));
      }
      lapAt = Math.max(lapAt, performance.now() + intervalMs * (0.75 + Math.random() / 2));
    }
  }

  async #trimDue(): Promise<void> {
    for (const stream of this.#due) {
      if (this.#closing.signal.aborted) return;
      this.#due.delete(stream);
      await this.#trim(toText(stream));
    }
  }

  /** Looks at all streams once. */
  async #lap(): Promise<void> {
    const { signal } = this.#closing;
    const { survey, forget, clear } = this.#statements;
    let key = FIRST_KEY;
    for (;;) {
      const page = await this.#runner.run(survey, [key, STREAMS_PER_STATEMENT]);
      for (const row of page) {
        if (isAborted(signal)) return;
        if (row.boolean("forgotten")) await this.#runner.run(forget, [row.text("name")]);
        else if (row.boolean("trimmable")) await this.#trim(row.text("name"));
        key = row.text("key");
      }
      await this.#trimDue();
      if (page.length < STREAMS_PER_STATEMENT) break;
      await this.#pause();
    }
    while (!isAborted(signal)) {
      const [row] = await this.#runner.run(clear, [DELETED_PER_STATEMENT, EVENTS_PER_STATEMENT]);
      if (row === undefined || row.number("streams") === 0) return;
      await this.#pause();
    }
  }

  async #trim(name: string): Promise<void> {
    for (;;) {
      const [row] = await this.#runner.run(this.#statements.trim, [name, EVENTS_PER_STATEMENT]);
      if (row === undefined || row.number("removed") < EVENTS_PER_STATEMENT) return;
      if (isAborted(this.#closing.signal)) return;
      await this.#pause();
    }
  }

  async #pause(): Promise<void> {
    await new Pause(PAUSE_MS, this.#closing.signal).ended;
  }
}

function asStoreError(error: unknown): EventStoreError {
  if (error instanceof EventStoreError) return error;
  return new EventStoreError("backend", `The removal of expired events failed: ${String(error)}`, {
    cause: error,
  });
}
