// Offers waits that end as soon as a signal is aborted: for a time, for somebody else's work, or for a signal itself.

/**
 * Waits.
 *
 * @param ms - how long, in milliseconds
 * @param wakeUp - ends the wait early when it is called back
 * @returns whether it was woken up early
 * @throws `signal.reason` as soon as the signal is aborted
 */
export function sleep(
  ms: number,
  signal: AbortSignal,
  wakeUp?: (listener: () => void) => () => void,
): Promise<boolean> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason as Error);
      return;
    }
    const end = (isWoken: boolean): void => {
      clearTimeout(timer);
      unsubscribe?.();
      signal.removeEventListener("abort", wake);
      if (signal.aborted) reject(signal.reason as Error);
      else resolve(isWoken);
    };
    const wake = (): void => end(true);
    const timer = setTimeout(end, ms, false);
    const unsubscribe = wakeUp?.(wake);
    signal.addEventListener("abort", wake);
  });
}

/**
 * Waits for work that cannot be ended from here, for a limited time. What it comes to after that is dropped.
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

/** What follows each signal, which has one listener for all of it: Node warns of a leak at the eleventh. */
const followers = new WeakMap<AbortSignal, Set<AbortController>>();

function followersOf(signal: AbortSignal): Set<AbortController> {
  const known = followers.get(signal);
  if (known !== undefined) return known;
  const all = new Set<AbortController>();
  followers.set(signal, all);
  signal.addEventListener(
    "abort",
    () => {
      for (const controller of all) controller.abort(signal.reason);
    },
    { once: true },
  );
  return all;
}

/** A controller that is aborted when the signal is, with its reason. Whoever is done with it aborts it. */
export function follow(signal: AbortSignal): AbortController {
  const controller = new AbortController();
  if (signal.aborted) {
    controller.abort(signal.reason);
    return controller;
  }
  const all = followersOf(signal);
  all.add(controller);
  controller.signal.addEventListener("abort", () => all.delete(controller), { once: true });
  return controller;
}
