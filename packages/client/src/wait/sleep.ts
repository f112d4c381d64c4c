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
