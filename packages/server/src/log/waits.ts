import { EventStoreError } from "./errors.js";

/** Settles as `work` does, or rejects when it has not after `limitMs` milliseconds. */
export function within<T>(work: Promise<T>, limitMs: number, late: () => EventStoreError): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = setTimeout(() => reject(late()), limitMs);
    work.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (error: unknown) => {
        clearTimeout(timer);
        reject(asError(error));
      },
    );
  });
}

/** Calls at once; what is thrown at once becomes a rejection like any other. */
export function begin<T>(work: () => T | Promise<T>): Promise<T> {
  return new Promise<T>((resolve) => resolve(work()));
}

/** Resolves when all microtasks of now are done, and those that they start. */
export function macrotask(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

export function timeoutError(what: string, limitMs: number, mayHaveHappened = false): EventStoreError {
  return new EventStoreError("timeout", `${what} did not end within ${limitMs} ms.`, { mayHaveHappened });
}

/** What was thrown, as an error. */
export function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error), { cause: error });
}
