// Puts a time limit on every operation of a log and turns every failure into an `EventStoreError`.

import { asError, EventStoreError, timeoutError } from "../log/errors.js";
import type { EventLog, LogPage, Position, Retention } from "../log/event-log.js";
import { begin, Deadlines } from "../log/waits.js";

/** How an append came out, as far as it is known within the limit. */
export type Appended = { readonly position: Position } | AppendFailure;

/** An append that failed, or was not answered in time. */
export interface AppendFailure {
  readonly error: EventStoreError;
  /** Whether the event may be in the log all the same. */
  readonly isUncertain: boolean;
  /** Settles when the log answers after all, if it ever does; `undefined` when it was never asked. */
  readonly eventually: Promise<Position> | undefined;
}

const NO_POSITION: AppendFailure = {
  error: new EventStoreError("backend", "The log answered an append without a position.", {
    mayHaveHappened: true,
  }),
  isUncertain: true,
  eventually: undefined,
};

/** Whether a log, which may be anybody's, keeps its word. */
function isPosition(position: Partial<Position> | null | undefined): position is Position {
  return typeof position?.seq === "number" && typeof position.epoch === "string";
}

/** An operation under way. */
interface Call {
  readonly endsAt: number;
  readonly expire: () => void;
}

/**
 * A log that always answers: each operation has a limit, and every failure is an {@link EventStoreError}, so that
 * storage which hangs cannot hang a call. What an operation answers past its limit is dropped.
 *
 * One timer looks after all operations, so that the limit may come a twentieth late. It does not keep the process alive.
 */
export class LimitedLog {
  readonly #log: EventLog;
  readonly #limitMs: number;
  readonly #calls: Deadlines<Call>;

  constructor(log: EventLog, limitMs: number) {
    this.#log = log;
    this.#limitMs = limitMs;
    this.#calls = new Deadlines({ limitMs, onExpired: (call) => call.expire(), keepsProcessAlive: false });
  }

  /** Hands the event to the log before it returns, so that calls take effect in the order in which they were made. */
  append(stream: string, payload: string, retention: Retention): Promise<Appended> {
    let eventually: Promise<Position>;
    try {
      eventually = Promise.resolve(this.#log.append(stream, payload, retention));
    } catch (error) {
      eventually = Promise.reject(asError(error));
    }
    return new Promise((resolve) => {
      this.#limit(
        eventually,
        "append",
        true,
        (position) => resolve(isPosition(position) ? { position } : NO_POSITION),
        (error) => resolve({ error, isUncertain: error.mayHaveHappened, eventually }),
      );
    });
  }

  /** @param signal ends the wait for the log's answer. */
  read(stream: string, after: number, limit: number, signal?: AbortSignal): Promise<LogPage | undefined> {
    return this.#run("read", false, () => this.#log.read(stream, after, limit), signal);
  }

  /**
   * Changes of the stream from now on, by the hints that the log gives.
   *
   * @param signal ends the wait for the next one, and the subscription.
   * @param alsoWatch subscribes to changes that the log does not know of.
   * @throws {EventStoreError} what the log throws.
   */
  changes(
    stream: string,
    signal?: AbortSignal,
    alsoWatch?: (wake: () => void) => (() => void) | undefined,
  ): Changes {
    return new Changes((wake) => {
      const unsubscribe = this.subscribe(stream, wake);
      const unwatch = alsoWatch?.(wake);
      return () => {
        unsubscribe();
        unwatch?.();
      };
    }, signal);
  }

  /**
   * Calls `wake` after the stream has changed: a hint, as that of the log itself.
   *
   * @returns a function that ends the subscription.
   * @throws {EventStoreError} what the log throws.
   */
  subscribe(stream: string, wake: () => void): () => void {
    try {
      return this.#log.subscribe(stream, wake);
    } catch (error) {
      throw asStoreError(error, "subscribe", false);
    }
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

  #run<T>(operation: string, isWrite: boolean, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    return new Promise<T>((resolve, reject) => {
      const abort = (): void => reject(signal?.reason as Error);
      const done = (): void => signal?.removeEventListener("abort", abort);
      signal?.addEventListener("abort", abort);
      this.#limit(
        begin(work),
        operation,
        isWrite,
        (answer) => {
          done();
          resolve(answer);
        },
        (error) => {
          done();
          reject(error);
        },
      );
    });
  }

  /** Calls one of the two; what comes later is to be ignored. */
  #limit<T>(
    work: Promise<T>,
    operation: string,
    isWrite: boolean,
    onAnswer: (answer: T) => void,
    onFailure: (error: EventStoreError) => void,
  ): void {
    const call: Call = {
      endsAt: performance.now() + this.#limitMs,
      expire: () => onFailure(timeoutError(`The log's ${operation}`, this.#limitMs, isWrite)),
    };
    this.#calls.add(call);
    work.then(
      (answer) => {
        this.#calls.remove(call);
        onAnswer(answer);
      },
      (reason: unknown) => {
        this.#calls.remove(call);
        onFailure(asStoreError(reason, operation, isWrite));
      },
    );
  }
}

/** Remembers that something changed until somebody waits for it, so that no change between two reads is missed. */
export class Changes {
  readonly #signal: AbortSignal | undefined;
  #unsubscribe: () => void;
  #hasChanged = false;
  #onChange: () => void = () => undefined;

  constructor(subscribe: (wake: () => void) => () => void, signal: AbortSignal | undefined) {
    this.#signal = signal;
    this.#unsubscribe = subscribe(() => {
      this.#hasChanged = true;
      this.#onChange();
    });
    signal?.addEventListener("abort", this.stop);
  }

  /** Resolves at the next change, or at once when there was one since the last call. */
  async next(): Promise<void> {
    const signal = this.#signal;
    signal?.throwIfAborted();
    if (!this.#hasChanged) {
      await new Promise<void>((resolve, reject) => {
        const abort = (): void => reject(signal?.reason as Error);
        signal?.addEventListener("abort", abort);
        this.#onChange = () => {
          signal?.removeEventListener("abort", abort);
          resolve();
        };
      });
    }
    this.#hasChanged = false;
  }

  /** Ends the subscription. Safe to call twice. */
  readonly stop = (): void => {
    this.#signal?.removeEventListener("abort", this.stop);
    this.#unsubscribe();
    this.#unsubscribe = () => undefined;
  };
}

function asStoreError(error: unknown, operation: string, mayHaveHappened: boolean): EventStoreError {
  if (error instanceof EventStoreError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new EventStoreError("backend", `The log failed during ${operation}: ${reason}`, {
    cause: error,
    mayHaveHappened,
  });
}
