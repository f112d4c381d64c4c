// Lets a background loop pause until its time is over, a signal aborts, or there is something to do.
import { unref } from "../../log/waits.js";

/** One pause, which begins when it is made. */
export class Pause {
  /** Resolves when the pause has ended, for whichever reason. */
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

  /** Ends the pause at once. */
  readonly end = (): void => {
    clearTimeout(this.#timer);
    this.#signal.removeEventListener("abort", this.end);
    this.#resolve();
  };
}
