// Adapts an ioredis client, for one server or a cluster, to what the log needs.

import { type Connection, pickOne, type Subscriber, type SubscriberEvents } from "./connection.js";

/*
 * The parts of the client that are used, as shapes: the library is not imported, and a client of another version that
 * has them will do.
 */

/** What `duplicate()` of an ioredis client makes: a connection of ours. */
interface IoredisSubscriber {
  connect(): Promise<void>;
  subscribe(...channels: string[]): Promise<unknown>;
  unsubscribe(...channels: string[]): Promise<unknown>;
  ping(): Promise<unknown>;
  disconnect(): void;
  on(event: "message", listener: (channel: string, message: string) => void): unknown;
  on(event: "error", listener: (error: Error) => void): unknown;
  on(event: "end", listener: () => void): unknown;
}

/** The options with which an ioredis client is duplicated. */
interface IoredisOverrides {
  readonly lazyConnect: boolean;
  readonly retryStrategy: () => null;
  readonly autoResubscribe: boolean;
  readonly keyPrefix: string;
}

/** A `Redis` of ioredis 5. */
export interface IoredisClient {
  readonly status: string;
  readonly options: { readonly keyPrefix?: string | undefined };
  call(command: string, ...args: string[]): Promise<unknown>;
  duplicate(overrides: IoredisOverrides): IoredisSubscriber;
}

/** A `Cluster` of ioredis 5. */
export interface IoredisCluster {
  readonly status: string;
  readonly options: { readonly keyPrefix?: string | undefined };
  call(command: string, ...args: string[]): Promise<unknown>;
  nodes(role: "master"): readonly Pick<IoredisClient, "duplicate">[];
}

/** A client of ioredis, as the log sees it. */
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
