// Ends a connection that is silent for too long, by the rhythm of its keep-alives.

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

/** How often a silence is looked at: what a device slept through is noticed so soon after it woke up. */
const LOOK_MS = 5_000;

/**
 * Aborts its signal when a connection is silent for too long. Any byte counts as life; comments set the rhythm.
 *
 * A wait begins and ends with each chunk, so that it costs no timer of its own: one runs on, and looks when it fires.
 * It goes by two clocks, since a sleeping device may stop the one, and anybody may set the other.
 */
export class Watchdog {
  readonly #abort = new AbortController();
  readonly #defaultMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** When the timer fires, by the clock that nobody sets. */
  #firesAt = 0;
  #isWaiting = false;
  /** When the wait began, by either clock. */
  #since = 0;
  #wallSince = 0;
  #commentAt: number | undefined;
  #longestPauseMs: number | undefined;

  constructor(defaultMs: number) {
    this.#defaultMs = defaultMs;
  }

  /** Whether the server was seen to send keep-alives. */
  get hasRhythm(): boolean {
    return this.#longestPauseMs !== undefined;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Starts to wait for the next byte. */
  watch(): void {
    this.#isWaiting = true;
    this.#since = performance.now();
    this.#wallSince = Date.now();
    this.#lookWithin(this.#limitMs());
  }

  /** A byte came, or nobody reads just now: the wait is over. */
  rest(): void {
    this.#isWaiting = false;
  }

  /** Ends the watch: nothing is left running. */
  stop(): void {
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

  #limitMs(): number {
    return silenceLimit(this.#longestPauseMs, this.#defaultMs);
  }

  #lookWithin(limitMs: number): void {
    const now = performance.now();
    const ms = Math.min(limitMs, LOOK_MS);
    // It looks anew when it fires; only an earlier end needs another timer.
    if (this.#timer !== undefined && this.#firesAt <= now + ms) return;
    clearTimeout(this.#timer);
    this.#firesAt = now + ms;
    this.#timer = setTimeout(() => this.#look(), Math.ceil(ms));
  }

  #look(): void {
    this.#timer = undefined;
    if (!this.#isWaiting) return;
    const limitMs = this.#limitMs();
    const silentMs = Math.max(performance.now() - this.#since, Date.now() - this.#wallSince);
    if (silentMs < limitMs) this.#lookWithin(limitMs - silentMs);
    else this.#abort.abort(new Error(`The connection was silent for ${limitMs} ms`));
  }
}
