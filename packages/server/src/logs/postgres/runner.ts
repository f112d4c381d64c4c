// Runs SQL statements on any connection of the pool, and again when one breaks, until the time of the call is over.
import { EventStoreError, timeoutError } from "../../log/errors.js";
import { within } from "../../log/waits.js";
import { errorOf, failureOf, isPassing, leavesOpen } from "./failure.js";
import { isEnded, type PostgresPool, Row } from "./pool.js";

const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 500;

/** A statement, and whether it changes anything. */
export interface Statement {
  /** Names in messages what could not be done. */
  readonly operation: string;
  readonly text: string;
  readonly isWrite: boolean;
}

/** Time for one call of the log, however many statements and attempts it takes. */
export interface Deadline {
  readonly endsAt: number;
  /** Set by an attempt that may have taken effect although nothing was heard of it. */
  isOpen: boolean;
}

export class StatementRunner {
  readonly #pool: PostgresPool;
  readonly #timeoutMs: number;

  constructor(pool: PostgresPool, timeoutMs: number) {
    this.#pool = pool;
    this.#timeoutMs = timeoutMs;
  }

  deadline(): Deadline {
    return { endsAt: performance.now() + this.#timeoutMs, isOpen: false };
  }

  /**
   * Every attempt is the same statement with the same parameters: it must be one that may run twice.
   *
   * @throws {EventStoreError} `backend`, `timeout`; with `mayHaveHappened` as true as can be known.
   */
  async run(statement: Statement, params: unknown[], deadline = this.deadline()): Promise<readonly Row[]> {
    const { text, operation, isWrite } = statement;
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
      const leftMs = deadline.endsAt - performance.now();
      if (leftMs <= 0) throw this.#late(operation, deadline.isOpen);
      const wasEnded = isEnded(this.#pool);
      let error: unknown;
      try {
        const { rows } = await within(this.#pool.query(text, params), leftMs, () =>
          this.#late(operation, isWrite || deadline.isOpen),
        );
        return rows.map((row) => new Row(row));
      } catch (reason) {
        error = reason;
      }
      if (error instanceof EventStoreError) throw error;
      const failure = failureOf(error);
      if (isWrite && !wasEnded && leavesOpen(failure)) deadline.isOpen = true;
      const isLastAttempt = isEnded(this.#pool) || performance.now() + pauseMs >= deadline.endsAt;
      if (isLastAttempt || !isPassing(failure)) throw errorOf(operation, failure, deadline.isOpen);
      await new Promise((resolve) => setTimeout(resolve, pauseMs * (0.5 + Math.random() / 2)));
    }
  }

  #late(operation: string, mayHaveHappened: boolean): EventStoreError {
    return timeoutError(`Postgres: ${operation}`, this.#timeoutMs, mayHaveHappened);
  }
}
