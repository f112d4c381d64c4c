/**
 * Lets cursors become persistable only when the app has had their messages.
 *
 * The SDKs run handlers in a microtask after `onmessage` and tell nobody when they end. So a cursor is released one
 * macrotask after the message was handed over; with manual acknowledgement, when the app says so.
 */
export class Acknowledgements {
  readonly #manual: boolean;
  #waiting: (() => void)[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(manual: boolean) {
    this.#manual = manual;
  }

  /** Calls `release` when what was handed over so far counts as handled. */
  after(release: () => void): void {
    this.#waiting.push(release);
    if (this.#manual) return;
    this.#timer ??= setTimeout(() => this.acknowledge(), 0);
  }

  /** Everything that was handed over so far is handled. */
  acknowledge(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const release of this.#waiting.splice(0)) release();
  }

  /** Forgets what is not handled: it comes again in the next life. */
  drop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#waiting = [];
  }
}
