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

/**
 * Aborts its signal when a connection is silent for too long. Any byte counts as life; comments set the rhythm.
 *
 * A wait begins and ends with each chunk, so that it costs no timer of its own: one runs on, and looks when it fires.
 */
export class Watchdog {
  readonly #abort = new AbortController();
  readonly #defaultMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** When the timer fires; this and the next by the clock that nobody sets. */
  #firesAt = 0;
  /** When the silence becomes too long; `undefined` while nothing is waited for. */
  #deadline: number | undefined;
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
    this.#deadline = performance.now() + this.#limitMs();
    // A rhythm that was seen meanwhile brings the end forward.
    if (this.#timer === undefined || this.#deadline < this.#firesAt) this.#wakeAt(this.#deadline);
  }

  /** A byte came, or nobody reads just now: the wait is over. */
  rest(): void {
    this.#deadline = undefined;
  }

  /** Ends the watch: nothing is left running. */
  stop(): void {
    clearTimeout(this.#timer);
  }

  #limitMs(): number {
    return silenceLimit(this.#longestPauseMs, this.#defaultMs);
  }

  #wakeAt(at: number): void {
    clearTimeout(this.#timer);
    this.#firesAt = at;
    this.#timer = setTimeout(() => this.#look(), Math.ceil(at - performance.now()));
  }

  #look(): void {
    this.#timer = undefined;
    if (this.#deadline === undefined) return;
    if (performance.now() < this.#deadline) this.#wakeAt(this.#deadline);
    else this.#abort.abort(new Error(`The connection was silent for ${this.#limitMs()} ms`));
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
