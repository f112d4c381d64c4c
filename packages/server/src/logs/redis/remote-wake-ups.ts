import type { EventStoreError } from "../../log/errors.js";
import { randomId } from "../../log/random-id.js";
import { WakeUps } from "../../log/wake-ups.js";
import type { Connection } from "./connection.js";
import { WakeUpFeed } from "./wake-up-feed.js";

export interface RemoteWakeUpsOptions {
  readonly connection: Connection;
  readonly timeoutMs: number;
  readonly heartbeatMs: number;
  readonly onError: (error: EventStoreError) => void;
}

/** The subscribers of streams, woken by what this log does and by what all others do. */
export class RemoteWakeUps {
  readonly #local = new WakeUps();
  readonly #feed: WakeUpFeed;
  readonly #keyPrefix: string;
  /** The streams that are followed, by channel. */
  readonly #streams = new Map<string, string>();
  #ownMessage = randomId();

  constructor(options: RemoteWakeUpsOptions) {
    this.#keyPrefix = options.connection.keyPrefix;
    this.#feed = new WakeUpFeed({
      ...options,
      onMessage: (channel, message) => {
        if (message !== this.#ownMessage) this.#wakeChannel(channel);
      },
      onMissed: (channels) => {
        for (const channel of channels) this.#wakeChannel(channel);
      },
    });
  }

  /**
   * What this log publishes with its changes. Its subscribers are woken when the change is answered, or has failed, so
   * that they need not be woken by the message as well.
   */
  get ownMessage(): string {
    return this.#ownMessage;
  }

  /** @param stateKey the name of the stream's channel is the key of its state, as the server sees it. */
  subscribe(stream: string, stateKey: string, wake: () => void): () => void {
    const channel = this.#keyPrefix + stateKey;
    if (!this.#local.has(stream)) {
      this.#streams.set(channel, stream);
      this.#feed.follow(channel);
    }
    const unsubscribe = this.#local.subscribe(stream, wake);
    return () => {
      unsubscribe();
      if (this.#local.has(stream) || !this.#streams.delete(channel)) return;
      this.#feed.unfollow(channel);
    };
  }

  /** A change of this log is done, or has failed for certain. */
  changed(stream: string): void {
    this.#local.wake(stream);
  }

  /** A change was given up and may still take effect: its message must then be heeded. */
  mayChange(stream: string): void {
    this.#ownMessage = randomId();
    this.#local.wake(stream);
  }

  async close(): Promise<void> {
    this.#local.close();
    this.#streams.clear();
    await this.#feed.close();
  }

  #wakeChannel(channel: string): void {
    const stream = this.#streams.get(channel);
    if (stream !== undefined) this.#local.wake(stream);
  }
}
