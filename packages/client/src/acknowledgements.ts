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
  }
}
