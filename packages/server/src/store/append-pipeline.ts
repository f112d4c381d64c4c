import { EventStoreError } from "../log/errors.js";
import type { Retention } from "../log/event-log.js";
import type { Appended, LimitedLog } from "./limited-log.js";

/**
 * The appends of one stream. Each is handed to the log at once, in the order of the calls, and many may be under way;
 * they are acknowledged in that order too, whatever the order in which the log answers: the SDK writes a message to
 * the connection when its append is acknowledged, and a cursor must never run ahead of what was sent.
 */
export class AppendPipeline {
  readonly #log: LimitedLog;
  readonly #name: string;
  readonly #maxPending: number;
  #pending = 0;
  /** Settles when all that was appended so far is acknowledged. */
  #tail: Promise<unknown> = Promise.resolve();

  constructor(log: LimitedLog, name: string, maxPending: number) {
    this.#log = log;
    this.#name = name;
    this.#maxPending = maxPending;
  }

  get pending(): number {
    return this.#pending;
  }

  /**
   * @param acknowledge called in order, when the append and what was `alongside` have settled; its answer is the
   * caller's answer, and so is what it throws.
   */
  append<Answer>(
    payload: string,
    retention: Retention,
    acknowledge: (appended: Appended) => Answer,
    alongside?: Promise<void>,
  ): Promise<Answer> {
    const appended =
      this.#pending < this.#maxPending
        ? this.#log.append(this.#name, payload, retention)
        : Promise.resolve(overloaded(this.#pending));
    this.#pending += 1;
    const answer = this.#inTurn(this.#tail, appended, alongside, acknowledge);
    this.#tail = answer.catch(() => undefined);
    return answer;
  }

  /** Resolves when everything appended so far is acknowledged; the limit of each append limits this wait. */
  async settled(): Promise<void> {
    await this.#tail;
  }

  async #inTurn<Answer>(
    previous: Promise<unknown>,
    appended: Promise<Appended>,
    alongside: Promise<void> | undefined,
    acknowledge: (appended: Appended) => Answer,
  ): Promise<Answer> {
    const outcome = await appended;
    await alongside;
    await previous;
    this.#pending -= 1;
    return acknowledge(outcome);
  }
}

function overloaded(pending: number): Appended {
  const error = new EventStoreError(
    "overloaded",
    `${pending} events of this stream wait for the storage already; this one was not stored. ` +
      "Await what you send, or raise maxPendingEventsPerStream.",
  );
  return { error, isUncertain: false, eventually: undefined };
}
