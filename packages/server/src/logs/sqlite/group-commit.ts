// Runs the writes of one turn of the event loop in one transaction (group commit), and answers each after the commit.
import { EventStoreError } from "../../log/errors.js";
import { nextTurn } from "../../log/waits.js";
import {
  backendError,
  checkOpen,
  isBusy,
  isOutsideTransaction,
  mayHaveCommitted,
  rollBack,
  type SqliteDatabase,
} from "./database.js";
import type { Statements } from "./statements.js";

/** A transaction is limited, so that the event loop turns between two of them. What is beyond goes into the next. */
const MAX_OPERATIONS_PER_TRANSACTION = 512;
const MAX_BYTES_PER_TRANSACTION = 4 * 1024 * 1024;

/** The pause between two tries for a lock that another process holds, on top of SQLite's own short wait. */
const FIRST_RETRY_MS = 1;
const MAX_RETRY_MS = 50;

export interface GroupCommitOptions {
  /** How long an operation waits for the lock, in milliseconds. */
  readonly timeoutMs: number;
  /** Called when a transaction failed, so that nothing it did is remembered. */
  readonly onRollback: () => void;
}

/** A change of the log that waits for its transaction. */
export interface Operation<Result> {
  /** The size of its payload, for the bound of a transaction. */
  readonly bytes: number;
  /** Makes the change by one statement; `undefined`, with nothing written, when that is not enough. */
  readonly runAlone?: () => Result | undefined;
  /** Makes the change within a transaction. An {@link EventStoreError} fails this operation alone. */
  readonly run: () => Result;
}

/** An operation that waits. Running it returns the function that answers its caller after the commit. */
interface Pending extends Operation<() => void> {
  readonly runAlone: () => (() => void) | undefined;
  /** When it stops waiting for the lock, on the clock of `performance.now`. */
  readonly deadline: number;
  readonly reject: (error: unknown) => void;
}

/** The changes of one turn of the event loop share one transaction, in the order in which they were made. */
export class GroupCommit {
  readonly #database: SqliteDatabase;
  readonly #statements: Statements;
  readonly #options: GroupCommitOptions;
  #waiting: Pending[] = [];
  #isScheduled = false;
  #retryMs = FIRST_RETRY_MS;
  #whenIdle: (() => void)[] = [];

  constructor(database: SqliteDatabase, statements: Statements, options: GroupCommitOptions) {
    this.#database = database;
    this.#statements = statements;
    this.#options = options;
  }

  submit<Result>(operation: Operation<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      const answer = (result: Result) => () => resolve(result);
      this.#waiting.push({
        bytes: operation.bytes,
        run: () => answer(operation.run()),
        runAlone: () => {
          const result = operation.runAlone?.();
          return result === undefined ? undefined : answer(result);
        },
        deadline: performance.now() + this.#options.timeoutMs,
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
    nextTurn(() => this.#commitNext());
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

  /** A statement outside a transaction is a transaction by itself, and saves two more statements. */
  #commitAlone(batch: readonly Pending[]): (() => void)[] | undefined {
    const [only, ...others] = batch;
    if (only === undefined || others.length > 0) return undefined;
    if (!isOutsideTransaction(this.#database)) return undefined;
    try {
      const answer = only.runAlone();
      return answer === undefined ? undefined : [answer];
    } catch (error) {
      this.#options.onRollback();
      // Nobody can tell whether the commit within the statement reached the file.
      throw isBusy(error) ? error : backendError("in a write", error, mayHaveCommitted(error));
    }
  }

  #commit(batch: readonly Pending[]): (() => void)[] {
    const answers: (() => void)[] = [];
    let isCommitting = false;
    this.#statements.begin.run();
    try {
      for (const { run, reject } of batch) {
        try {
          answers.push(run());
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
      this.#options.onRollback();
      throw isBusy(error)
        ? error
        : backendError("in a write", error, isCommitting && mayHaveCommitted(error));
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
          `Another process held the lock of the SQLite database for ${this.#options.timeoutMs} ms. Nothing was written. ` +
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
    // Each process waits a random part of its delay, so that they do not keep in step.
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
  for (const operation of waiting) {
    bytes += operation.bytes;
    if (length > 0 && (length >= MAX_OPERATIONS_PER_TRANSACTION || bytes > MAX_BYTES_PER_TRANSACTION)) break;
    length += 1;
  }
  return length;
}
