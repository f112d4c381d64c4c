/** How long a connection may be silent before it is taken for dead, while its keep-alive rhythm is not known. */
export const DEFAULT_SILENCE_MS = 45_000;

const SHORTEST_MS = 5_000;
const LONGEST_MS = 300_000;
const SHORTEST_PAUSE_MS = 1_000;

/**
 * How long the next silence may last: three times the longest pause between two keep-alives, at least 5 s and at
 * most 5 minutes; `defaultMs` until two keep-alives were seen.
 *
 * A half-open connection tells nobody that it is dead: neither the operating system nor `fetch` ends it.
 */
export function silenceLimit(longestPauseMs: number | undefined, defaultMs: number): number {
  if (longestPauseMs === undefined) return defaultMs;
  return Math.min(LONGEST_MS, Math.max(SHORTEST_MS, longestPauseMs * 3));
}

/** Aborts its signal when a connection is silent for too long. Any byte counts as life; comments set the rhythm. */
export class Watchdog {
  readonly #abort = new AbortController();
  readonly #defaultMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #commentAt: number | undefined;
  #longestPauseMs: number | undefined;

  constructor(defaultMs: number) {
    this.#defaultMs = defaultMs;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Starts to wait for the next byte. */
  watch(): void {
    const limit = silenceLimit(this.#longestPauseMs, this.#defaultMs);
    this.#timer = setTimeout(
      () => this.#abort.abort(new Error(`The connection was silent for ${limit} ms`)),
      limit,
    );
  }

  /** A byte came, or nobody reads just now: the wait is over. */
  rest(): void {
    clearTimeout(this.#timer);
  }

  /** A comment came: the server's keep-alive. */
  comment(): void {
    const now = Date.now();
    const pauseMs = now - (this.#commentAt ?? now);
    // Comments in a row are padding, not a rhythm.
    if (pauseMs >= SHORTEST_PAUSE_MS) this.#longestPauseMs = Math.max(this.#longestPauseMs ?? 0, pauseMs);
    this.#commentAt = now;
  }
}
