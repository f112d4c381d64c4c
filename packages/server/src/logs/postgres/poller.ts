import { alarm } from "./alarm.js";
import type { StatementRunner } from "./runner.js";
import type { Statements } from "./statements.js";
import { fromText, toText } from "./text.js";

/** So many streams are looked at in one statement. */
const STREAMS_PER_STATEMENT = 1000;

export interface PollerOptions {
  readonly runner: StatementRunner;
  readonly statements: Statements;
  readonly intervalMs: number;
  readonly onChange: (stream: string) => void;
}

/** Looks from time to time whether one of the followed streams has changed; all of them in one statement. */
export class Poller {
  readonly #options: PollerOptions;
  readonly #closing = new AbortController();
  /** The version of each stream when it was looked at last; `null` when there was no such stream. */
  readonly #versions = new Map<string, string | null | undefined>();
  #running: Promise<void> | undefined;

  constructor(options: PollerOptions) {
    this.#options = options;
  }

  follow(stream: string): void {
    this.#versions.set(stream, undefined);
    this.#running ??= this.#run();
  }

  unfollow(stream: string): void {
    this.#versions.delete(stream);
  }

  async stop(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    for (;;) {
      const pause = alarm(signal);
      pause.ringAfter(this.#options.intervalMs);
      await pause.rung;
      if (signal.aborted || this.#versions.size === 0) break;
      // What is failing is reported by the calls of the log; a poll that fails is followed by another.
      await this.#look().catch(() => undefined);
    }
    this.#running = undefined;
  }

  async #look(): Promise<void> {
    const { runner, statements } = this.#options;
    const streams = [...this.#versions.keys()];
    for (let start = 0; start < streams.length; start += STREAMS_PER_STATEMENT) {
      const page = streams.slice(start, start + STREAMS_PER_STATEMENT);
      const rows = await runner.run(statements.versions, [page.map(toText)]);
      const versions = new Map(rows.map((row) => [fromText(row.text("name")), row.text("version")]));
      for (const stream of page) this.#note(stream, versions.get(stream) ?? null);
    }
  }

  #note(stream: string, version: string | null): void {
    if (!this.#versions.has(stream)) return;
    const before = this.#versions.get(stream);
    this.#versions.set(stream, version);
    // At the first look it is not known whether it changed since it was subscribed to.
    if (before !== version) this.#options.onChange(stream);
  }
}
