import { EventStoreError } from "../../errors.js";
import { backendError, checkOpen, isBusy, isOutsideTransaction, type SqliteDatabase } from "./database.js";
import { rollBack } from "./schema.js";
import type { Statements } from "./statements.js";

/** Every runtime with such a database has it; the types of browsers do not. */
declare function setImmediate(callback: () => void): unknown;

/*
 * A transaction is bounded, so that the event loop turns between two of them. What waits beyond goes into the next.
 */
const MAX_OPERATIONS_PER_TRANSACTION = 512;
const MAX_BYTES_PER_TRANSACTION = 4 * 1024 * 1024;

/** Between two tries for a lock that another process holds; on top of SQLite's own short wait. */
const FIRST_RETRY_MS = 1;
const MAX_RETRY_MS = 50;

/** A change of the log that waits for its transaction. */
export interface Operation<Result> {
  /** The size of its payload, for the bound of a transaction. */
  readonly bytes: number;
  /** The change by one statement; `undefined`, with nothing written, when it takes more. */
  readonly runAlone?: () => Result | undefined;
  /** The change within a transaction. An {@link EventStoreError} fails this operation alone. */
  readonly run: () => Result;
}

interface Pending {
  readonly operation: Operation<() => void>;
  /** When it is given up, on the clock of `performance.now`. */
  readonly deadline: number;
  readonly reject: (error: unknown) => void;
}

/**
 * Group commit: the changes of one turn of the event loop share one transaction, in the order in which they were made,
 * and each is answered after the commit.
 */
export class GroupCommit {
  readonly #database: SqliteDatabase;
  readonly #statements: Statements;
  readonly #timeoutMs: number;
  /** Called when a transaction failed: what was remembered of it did not happen. */
  readonly #onRollback: () => void;
  #waiting: Pending[] = [];
  #isScheduled = false;
  #retryMs = FIRST_RETRY_MS;
  #whenIdle: (() => void)[] = [];

  constructor(database: SqliteDatabase, statements: Statements, timeoutMs: number, onRollback: () => void) {
    this.#database = database;
    this.#statements = statements;
    this.#timeoutMs = timeoutMs;
    this.#onRollback = onRollback;
  }

  submit<Result>(operation: Operation<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      const answer = (result: Result) => () => resolve(result);
      const { bytes, run, runAlone } = operation;
      this.#waiting.push({
        operation: {
          bytes,
          run: () => answer(run()),
          ...(runAlone === undefined
            ? {}
            : {
                runAlone: () => {
                  const result = runAlone();
                  return result === undefined ? undefined : answer(result);
                },
              }),
        },
        deadline: performance.now() + this.#timeoutMs,
        reject,
      });
      this.#schedule();
    });
  }

  /** Resolves when everything that was submitted has been answered. */
  async drain(): Promise<void> {
    if (this.#waiting.length === 0) return;
    await new Promise<void>((resolve) => this.#whenIdle.push(resolve));
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => this.#commitNext());
  }

  #commitNext(): void {
    this.#isScheduled = false;
    const batch = this.#waiting.splice(0, batchLength(this.#waiting));
    try {
      checkOpen(this.#database);
      const answers = this.#commitAlone(batch) ?? this.#commit(batch);
      this.#retryMs = FIRST_RETRY_MS;
      for (const answer of answers) answer();
    } catch (error) {
      if (isBusy(error)) {
        this.#retryLater(batch, error);
        return;
      }
      for (const { reject } of batch) reject(backendError("in a write", error));
    }
    if (this.#waiting.length > 0) this.#schedule();
    else this.#becomeIdle();
  }

  /** A statement outside a transaction is one, without the cost of two more statements. */
  #commitAlone(batch: readonly Pending[]): (() => void)[] | undefined {
    const [only, ...others] = batch;
    if (only?.operation.runAlone === undefined || others.length > 0) return undefined;
    if (!isOutsideTransaction(this.#database)) return undefined;
    try {
      const answer = only.operation.runAlone();
      return answer === undefined ? undefined : [answer];
    } catch (error) {
      this.#onRollback();
      // Whether the commit within the statement reached the file, nobody can tell.
      throw isBusy(error) ? error : backendError("in a write", error, true);
    }
  }

  #commit(batch: readonly Pending[]): (() => void)[] {
    const answers: (() => void)[] = [];
    let isCommitting = false;
    this.#statements.begin.run();
    try {
      for (const { operation, reject } of batch) {
        try {
          answers.push(operation.run());
        } catch (error) {
          if (!(error instanceof EventStoreError)) throw error;
          answers.push(() => reject(error));
        }
      }
      isCommitting = true;
      this.#statements.commit.run();
      return answers;
    } catch (error) {
      rollBack(this.#database);
      this.#onRollback();
      throw isBusy(error) ? error : backendError("in a write", error, isCommitting);
    }
  }

  #retryLater(batch: readonly Pending[], cause: unknown): void {
    const now = performance.now();
    const isLate = ({ deadline }: Pending) => deadline <= now;
    const late = batch.filter(isLate);
    this.#waiting = [...batch.filter((pending) => !isLate(pending)), ...this.#waiting];
    for (const { reject } of late) {
      reject(
        new EventStoreError(
          "timeout",
          `Another process held the lock of the SQLite database for ${this.#timeoutMs} ms. Nothing was written. ` +
            "Look for long transactions on the file, or raise busyTimeoutMs of the log.",
          { cause },
        ),
      );
    }
    if (this.#waiting.length === 0) {
      this.#becomeIdle();
      return;
    }
    this.#isScheduled = true;
    // Not in step with the other process: each waits a random part of its delay.
    setTimeout(() => this.#commitNext(), FIRST_RETRY_MS + Math.random() * this.#retryMs);
    this.#retryMs = Math.min(MAX_RETRY_MS, 2 * this.#retryMs);
  }

  #becomeIdle(): void {
    const waiters = this.#whenIdle;
    this.#whenIdle = [];
    for (const resolve of waiters) resolve();
  }
}

function batchLength(waiting: readonly Pending[]): number {
  let bytes = 0;
  let length = 0;
  for (const { operation } of waiting) {
    bytes += operation.bytes;
    if (length > 0 && (length >= MAX_OPERATIONS_PER_TRANSACTION || bytes > MAX_BYTES_PER_TRANSACTION)) break;
    length += 1;
  }
  return length;
}
