/** How often to look, and how far the clocks must part for it to be a sleep, in milliseconds. */
const LOOK_MS = 5_000;

/**
 * Calls back soon after the device woke up. Nothing tells: Node has no such event, and to a page in view nothing
 * happens. But the wall clock is ahead then of the clock that counts what passed. Where that one counts sleep too, as
 * on Windows, timers do as well, and nothing waits longer than it should.
 *
 * @returns how to stop
 */
export function onAwake(listener: () => void): () => void {
  const clocks = (): number => Date.now() - performance.now();
  let before = clocks();
  const timer = setInterval(() => {
    const now = clocks();
    const jumpedMs = now - before;
    before = now;
    if (jumpedMs >= LOOK_MS) listener();
  }, LOOK_MS);
  return () => clearInterval(timer);
}
