import type { SdkSession } from "./sdk.js";
import { SseReader } from "./sse.js";

/**
 * A client of one call that loses its connection every few milliseconds and resumes from the last event id it saw: it
 * closes the old connection, or leaves it half-open. Everything that it takes is kept as it comes.
 */
export class Caller {
  readonly received: Record<string, unknown>[] = [];
  resumes = 0;
  readonly id: number;
  readonly #session: SdkSession;
  readonly #random: () => number;
  #reader: SseReader | undefined;
  #lastEventId: string | undefined;
  #isAnswered = false;

  constructor(session: SdkSession, id: number, random: () => number) {
    this.#session = session;
    this.id = id;
    this.#random = random;
  }

  /** Resolves when the server has the call. */
  async start(): Promise<void> {
    this.#reader = this.#read(await this.#session.call(this.id));
  }

  /** Resolves when the answer has come. */
  async run(killEveryMs: number): Promise<void> {
    while (this.#reader !== undefined) {
      await Promise.race([this.#reader.done, pause(this.#random() * 2 * killEveryMs)]);
      if (this.#isAnswered) return;
      if (this.#random() < 0.5) this.#reader.abandon();
      else await this.#reader.close();
      this.#reader = this.#read(await this.#session.get(this.#lastEventId));
      this.resumes += 1;
    }
  }

  #read(response: Response): SseReader {
    return new SseReader(response, ({ id, message }) => {
      if (id !== undefined) this.#lastEventId = id;
      if (message === undefined) return;
      this.received.push(message);
      if ("result" in message) this.#isAnswered = true;
    });
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
