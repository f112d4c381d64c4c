import type { IoredisClient, IoredisCluster } from "./clients.js";
import type { Connection, Subscriber, SubscriberEvents } from "./connection.js";
import { pickOne } from "./pick-one.js";

/** The shim for ioredis, one server or a cluster. */
export class IoredisConnection implements Connection {
  readonly isCluster: boolean;
  readonly resends = true;
  readonly mixesAnswers = false;
  readonly #client: IoredisClient | IoredisCluster;

  constructor(client: IoredisClient | IoredisCluster) {
    this.#client = client;
    this.isCluster = "nodes" in client;
  }

  get keyPrefix(): string {
    return this.#client.options.keyPrefix ?? "";
  }

  isClosed(): boolean {
    return this.#client.status === "end";
  }

  send(_key: string | undefined, command: readonly string[]): Promise<unknown> {
    // It finds the keys of a script call, and with them the server, by itself.
    const [name = "", ...args] = command;
    return this.#client.call(name, ...args);
  }

  wasNotSent(): boolean {
    return false;
  }

  release(): void {
    // Nothing was added to it.
  }

  renew(): void {
    // Not needed, and a QUIT would end the client for good.
  }

  async openSubscriber(events: SubscriberEvents, signal: AbortSignal): Promise<Subscriber> {
    const source = "nodes" in this.#client ? pickOne(this.#client.nodes("master")) : this.#client;
    const subscriber = source.duplicate({
      lazyConnect: true,
      // Another server may be the better one next time, and the subscribers must hear of it.
      retryStrategy: () => null,
      autoResubscribe: false,
      // Some versions put it in front of channels, too; it is in the names of ours already.
      keyPrefix: "",
    });
    subscriber.on("message", events.onMessage);
    subscriber.on("error", events.onLost);
    subscriber.on("end", () => events.onLost(undefined));
    const close = () => subscriber.disconnect();
    signal.addEventListener("abort", close);
    try {
      await subscriber.connect();
    } finally {
      signal.removeEventListener("abort", close);
    }
    return {
      subscribe: (channels) => subscriber.subscribe(...channels),
      unsubscribe: (channels) => subscriber.unsubscribe(...channels),
      ping: () => subscriber.ping(),
      close,
    };
  }
}
