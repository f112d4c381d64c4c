/**
 * Waits.
 *
 * @param ms - how long, in milliseconds
 * @param wakeUp - ends the wait early when it is called back
 * @throws `signal.reason` as soon as the signal is aborted
 */
export function sleep(
  ms: number,
  signal: AbortSignal,
  wakeUp?: (listener: () => void) => () => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason as Error);
      return;
    }
    const end = (): void => {
      clearTimeout(timer);
      unsubscribe?.();
      signal.removeEventListener("abort", end);
      if (signal.aborted) reject(signal.reason as Error);
      else resolve();
    };
    const timer = setTimeout(end, ms);
    const unsubscribe = wakeUp?.(end);
    signal.addEventListener("abort", end);
  });
}
