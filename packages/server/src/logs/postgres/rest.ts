// A rest of a background loop, which ends after its time, with a signal, or as soon as there is something to do.
import { unref } from "../../log/waits.js";

export class Rest {
  /** Resolves when the rest has ended, however it did. */
  readonly ended: Promise<void>;
  readonly #signal: AbortSignal;
  readonly #timer: ReturnType<typeof setTimeout>;
  #resolve: () => void = () => undefined;

  /** The timer does not keep the process alive. */
  constructor(ms: number, signal: AbortSignal) {
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#signal = signal;
    this.#timer = setTimeout(this.end, ms);
    unref(this.#timer);
    signal.addEventListener("abort", this.end);
    if (signal.aborted) this.end();
  }

  /** Ends it now: there is something to do. */
  readonly end = (): void => {
    clearTimeout(this.#timer);
    this.#signal.removeEventListener("abort", this.end);
    this.#resolve();
  };
}
