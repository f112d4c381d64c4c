/** Every runtime that logs with connections or files run in has it; the types of browsers do not. */
declare function setImmediate(callback: () => void): unknown;

/** Calls back in the next turn of the event loop: what was written in this one is on its way by then. */
export function nextTurn(callback: () => void): void {
  setImmediate(callback);
}
