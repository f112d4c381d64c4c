/** Lets the process end although the timer runs, where the runtime's timers can keep it alive. */
export function unref(timer: unknown): void {
  if (isUnrefable(timer)) timer.unref();
}

function isUnrefable(timer: unknown): timer is { unref(): unknown } {
  return typeof timer === "object" && timer !== null && "unref" in timer && typeof timer.unref === "function";
}
