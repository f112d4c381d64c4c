// Exports what a log on another storage is made of, as `@resumable-mcp/server/driver`.

/** The front: it checks every call, so that a driver only stores. */
export { checkedLog } from "./checked-log.js";
export type { CheckedEvent, LogDriver } from "./checked-log.js";

/** The calls on each stream in order, the appends that wait stored together, and a bound on what waits. */
export { Lanes, PendingBytes } from "./lanes.js";
export type { Lane, LanesOptions } from "./lanes.js";

/** Retention for a driver that applies it in its own process, and the rules of it for one that does not. */
export { forgetAfterMs, isSameRetention, pageOf, RetentionWindow } from "./retention-window.js";
export type { Retained, RetainedPayload, RetainedStream } from "./retention-window.js";

/** Wake-ups of the subscribers in this process. */
export { WakeUps } from "./wake-ups.js";

/** Limits on how long the storage may take: for a single call, or for many with one timer. */
export { Deadlines, MAX_TIMER_MS, nextTurn, unref, within } from "./waits.js";
export type { DeadlinesOptions } from "./waits.js";

/** The errors that all logs have in common. The class, `EventStoreError`, is exported by the root entry. */
export { endedError, timeoutError } from "./errors.js";

/** The checks of options, which throw `invalid-option`. */
export { checkClock, checkFunction, checkInteger } from "./validation.js";

/** Epochs and other ids, and the length of a string in UTF-8. */
export { randomId, utf8Length } from "./text.js";
