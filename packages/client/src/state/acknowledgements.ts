// Decides when a message counts as handled by the app, so that its cursor may be saved.
/** Finished streams that wait for the app to acknowledge them. */
const MAX_FINISHED = 100;

/**
 * Lets cursors become persistable only when the app has had their messages.
 *
 * The SDKs run handlers in a microtask after `onmessage` and tell nobody when they end. So a cursor is released one
 * macrotask after the message was handed over; with manual acknowledgement, when the app says so.
 */
export class Acknowledgements {
  readonly #manual: boolean;
  /** By stream: what an app never acknowledges must not pile up. */
  readonly #waiting = new Map<object, () => void>();
  readonly #finished = new Set<object>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(manual: boolean) {
    this.#manual = manual;
  }

  /**
   * Calls `release` when what was handed over so far counts as handled, unless the same stream comes with a later
   * one before that.
   */
  after(stream: object, release: () => void): void {
    this.#waiting.set(stream, release);
    if (this.#manual) return;
    this.#timer ??= setTimeout(() => this.acknowledge(), 0);
  }

  /**
   * The same for what ends a stream. An app that never acknowledges must not keep ever more of them: of more than 100
   * the oldest counts as handled.
   */
  finally(stream: object, release: () => void): void {
    this.after(stream, release);
    if (!this.#manual) return;
    this.#finished.add(stream);
    const [oldest] = this.#finished;
    if (this.#finished.size <= MAX_FINISHED || oldest === undefined) return;
    const handled = this.#waiting.get(oldest);
    this.#finished.delete(oldest);
    this.#waiting.delete(oldest);
    handled?.();
  }

  /** Everything that was handed over so far is handled. */
  acknowledge(): void {
    const released = [...this.#waiting.values()];
    this.drop();
    for (const release of released) release();
  }

  /** Forgets what is not handled: it comes again in the next life. */
  drop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#waiting.clear();
    this.#finished.clear();
  }
}
