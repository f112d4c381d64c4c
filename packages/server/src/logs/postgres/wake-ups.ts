import { WakeUps } from "../../log/wake-ups.js";
import { Listener, type ListenerOptions } from "./listener.js";
import { Notifier } from "./notifier.js";
import { Poller, type PollerOptions } from "./poller.js";
import { topicOf } from "./topics.js";

export interface RemoteWakeUpsOptions extends Pick<PollerOptions, "runner" | "statements"> {
  readonly pollIntervalMs: number;
  /** How to listen; without it there is polling alone. */
  readonly listening: Omit<ListenerOptions, "onTopics" | "onListening"> | undefined;
}

/** The subscribers of streams, woken by what this log does and by what all others do. */
export class RemoteWakeUps {
  readonly #options: RemoteWakeUpsOptions;
  readonly #local = new WakeUps();
  readonly #poller: Poller;
  readonly #notifier: Notifier | undefined;
  #listener: Listener | undefined;
  /** The followed streams of each topic. */
  readonly #streams = new Map<string, Set<string>>();

  constructor(options: RemoteWakeUpsOptions) {
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

  /** A change of this log is done, or may have been done. */
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
    // Kept once it is made: followers come and go, and a connection costs more than it does at rest.
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
