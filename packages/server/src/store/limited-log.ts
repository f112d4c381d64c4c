import { EventStoreError, timeoutError } from "../log/errors.js";
import type { EventLog, LogPage, Position, Retention } from "../log/event-log.js";
import { begin, within } from "../log/waits.js";

/** How an append came out, as far as it is known within the limit. */
export type Appended =
  | { readonly position: Position }
  | {
      readonly error: EventStoreError;
      /** Whether the event may be in the log all the same. */
      readonly isUncertain: boolean;
      /** Settles when the log answers after all, if it ever does; `undefined` when it was never asked. */
      readonly eventually: Promise<Position> | undefined;
    };

/**
 * A log that always answers: each operation has a limit, and every failure is an {@link EventStoreError}, so that
 * storage which hangs cannot hang a call. What an operation answers past its limit is dropped.
 */
export class LimitedLog {
  readonly #log: EventLog;
  readonly #limitMs: number;

  constructor(log: EventLog, limitMs: number) {
    this.#log = log;
    this.#limitMs = limitMs;
  }

  /** Hands the event to the log before it returns, so that calls take effect in the order in which they were made. */
  append(stream: string, payload: string, retention: Retention): Promise<Appended> {
    const eventually = begin(() => this.#log.append(stream, payload, retention));
    return this.#within(eventually, "append", true).then(
      (position): Appended => ({ position }),
      (reason: unknown): Appended => {
        const error = asStoreError(reason, "append", true);
        return { error, isUncertain: error.mayHaveHappened, eventually };
      },
    );
  }

  read(stream: string, after: number, limit: number): Promise<LogPage | undefined> {
    return this.#run("read", false, () => this.#log.read(stream, after, limit));
  }

  end(stream: string): Promise<void> {
    return this.#run("end", true, () => this.#log.end(stream));
  }

  delete(stream: string): Promise<void> {
    return this.#run("delete", true, () => this.#log.delete(stream));
  }

  close(): Promise<void> {
    return this.#run("close", true, () => this.#log.close());
  }

  async #run<T>(operation: string, isWrite: boolean, work: () => Promise<T>): Promise<T> {
    try {
      return await this.#within(begin(work), operation, isWrite);
    } catch (error) {
      throw asStoreError(error, operation, isWrite);
    }
  }

  #within<T>(work: Promise<T>, operation: string, isWrite: boolean): Promise<T> {
    return within(work, this.#limitMs, () => timeoutError(`The log's ${operation}`, this.#limitMs, isWrite));
  }
}

function asStoreError(error: unknown, operation: string, mayHaveHappened: boolean): EventStoreError {
  if (error instanceof EventStoreError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new EventStoreError("backend", `The log failed at ${operation}: ${reason}`, {
    cause: error,
    mayHaveHappened,
  });
}
