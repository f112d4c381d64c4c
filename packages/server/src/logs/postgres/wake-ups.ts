// Wakes the subscribers of streams after changes by this process and, by notifications and polling, by other processes.
import { WakeUps } from "../../log/wake-ups.js";
import { Listener, type ListenerOptions, Notifier, topicOf } from "./notifications.js";
import { Pause } from "./pause.js";
import type { StatementRunner } from "./runner.js";
import { fromText, type Statements, toText } from "./statements.js";

/** How many streams one statement looks at. */
const STREAMS_PER_STATEMENT = 1000;

export interface PostgresWakeUpsOptions extends Pick<PollerOptions, "runner" | "statements"> {
  readonly pollIntervalMs: number;
  /** How to listen; without it the log only polls. */
  readonly listening: Omit<ListenerOptions, "onTopics" | "onListening"> | undefined;
}

/** The subscribers of streams, woken by changes of this log and of all others on the same tables. */
export class PostgresWakeUps {
  readonly #options: PostgresWakeUpsOptions;
  readonly #local = new WakeUps();
  readonly #poller: Poller;
  readonly #notifier: Notifier | undefined;
  #listener: Listener | undefined;
  /** The followed streams of each topic. */
  readonly #streams = new Map<string, Set<string>>();

  constructor(options: PostgresWakeUpsOptions) {
    const { runner, statements, pollIntervalMs, listening } = options;
    this.#options = options;
    const onChange = (stream: string) => this.#local.wake(stream);
    this.#poller = new Poller({ runner, statements, intervalMs: pollIntervalMs, onChange });
    if (listening !== undefined) this.#notifier = new Notifier(runner, listening.channel);
  }

  subscribe(stream: string, wake: () => void): () => void {
    if (!this.#local.has(stream)) this.#follow(stream);
    const unsubscribe = this.#local.subscribe(stream, wake);
    return () => {
      unsubscribe();
      if (!this.#local.has(stream)) this.#unfollow(stream);
    };
  }

  /** This log has changed the stream, or may have. */
  changed(stream: string): void {
    this.#local.wake(stream);
    this.#notifier?.changed(stream);
  }

  async close(): Promise<void> {
    this.#local.close();
    this.#streams.clear();
    await Promise.all([this.#poller.stop(), this.#listener?.stop()]);
  }

  /** Resolves when the others were told of all changes. */
  async told(): Promise<void> {
    await this.#notifier?.settled();
  }

  #follow(stream: string): void {
    const { listening } = this.#options;
    const topic = topicOf(stream);
    const others = this.#streams.get(topic);
    if (others === undefined) this.#streams.set(topic, new Set([stream]));
    else others.add(stream);
    this.#poller.follow(stream);
    if (listening === undefined) return;
    // Kept once it is made: followers come and go, and a new connection costs more than an idle one.
    this.#listener ??= new Listener({
      ...listening,
      onTopics: (topics) => {
        for (const changed of topics) {
          for (const followed of this.#streams.get(changed) ?? []) this.#local.wake(followed);
        }
      },
      onListening: () => this.#local.wakeAll(),
    });
  }

  #unfollow(stream: string): void {
    const topic = topicOf(stream);
    const streams = this.#streams.get(topic);
    if (streams?.delete(stream) === true && streams.size === 0) this.#streams.delete(topic);
    this.#poller.unfollow(stream);
  }
}

interface PollerOptions {
  readonly runner: StatementRunner;
  readonly statements: Statements;
  readonly intervalMs: number;
  readonly onChange: (stream: string) => void;
}

/** Looks from time to time which of the followed streams have changed. */
class Poller {
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
      await new Pause(this.#options.intervalMs, signal).ended;
      if (signal.aborted || this.#versions.size === 0) break;
      // The calls of the log report what is failing; after a failed poll comes another one.
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
