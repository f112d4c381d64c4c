import type { StatementRunner } from "./runner.js";
import { topicOf } from "./topics.js";

/** A notification takes less than 8000 bytes. */
const TOPICS_PER_NOTIFICATION = 500;

const NOTIFY = {
  operation: "a wake-up",
  text: "SELECT pg_notify($1::text, $2::text)",
  isWrite: false,
} as const;

/**
 * Tells the other processes which streams have changed: in a statement of its own, since a transaction that notifies
 * holds up every other one that does. One at a time; what changes meanwhile goes together in the next.
 */
export class Notifier {
  readonly #runner: StatementRunner;
  readonly #channel: string;
  #topics = new Set<string>();
  #running: Promise<void> | undefined;

  constructor(runner: StatementRunner, channel: string) {
    this.#runner = runner;
    this.#channel = channel;
  }

  changed(stream: string): void {
    this.#topics.add(topicOf(stream));
    this.#running ??= this.#run();
  }

  /** Resolves when everybody was told. */
  async settled(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    try {
      // What changes in the same tick goes together.
      await Promise.resolve();
      while (this.#topics.size > 0) {
        const topics = [...this.#topics].slice(0, TOPICS_PER_NOTIFICATION);
        for (const topic of topics) this.#topics.delete(topic);
        await this.#runner.run(NOTIFY, [this.#channel, topics.join(" ")]);
      }
    } catch {
      // A wake-up is a hint, and all who listen look for themselves from time to time.
      this.#topics.clear();
    } finally {
      this.#running = undefined;
    }
  }
}
