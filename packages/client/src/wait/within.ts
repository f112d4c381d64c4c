/**
 * Waits for work that nobody here can end, until it is too late. What it comes to after that is dropped.
 *
 * @param limitMs - how long, in milliseconds; `undefined` for as long as it takes
 * @throws an `Error` that says so when the time is over; `signal.reason` when aborted
 */
export function within<T>(work: Promise<T>, limitMs: number | undefined, signal?: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    };
    const fail = (reason: Error): void => {
      end();
      reject(reason);
    };
    const abort = (): void => fail(signal?.reason as Error);
    const late = (): void => fail(new Error(`No answer within ${limitMs} ms`));
    const timer = limitMs === undefined ? undefined : setTimeout(late, limitMs);
    signal?.addEventListener("abort", abort);
    if (signal?.aborted === true) abort();
    work.then((value) => {
      end();
      resolve(value);
    }, fail);
  });
}
