import type { NodeRedisClient, NodeRedisCluster } from "./clients.js";
import type { Connection, Subscriber, SubscriberEvents } from "./connection.js";
import { pickOne } from "./pick-one.js";

/** Strings as strings, whatever the client was told to make of replies. */
const AS_STRINGS = { typeMapping: {} };

/** The shim for node-redis, one server or a cluster. */
export class NodeRedisConnection implements Connection {
  readonly isCluster: boolean;
  readonly resends = false;
  readonly keyPrefix = "";
  readonly #client: NodeRedisClient | NodeRedisCluster;

  constructor(client: NodeRedisClient | NodeRedisCluster) {
    this.#client = client;
    this.isCluster = "nodeClient" in client;
  }

  isClosed(): boolean {
    return !this.#client.isOpen;
  }

  send(key: string | undefined, command: readonly string[]): Promise<unknown> {
    if ("nodeClient" in this.#client) return this.#client.sendCommand(key, false, [...command], AS_STRINGS);
    return this.#client.sendCommand(command, AS_STRINGS);
  }

  async openSubscriber(events: SubscriberEvents, signal: AbortSignal): Promise<Subscriber> {
    const source = await this.#aClient();
    signal.throwIfAborted();
    // Another server may be the better one next time, and the subscribers must hear of it.
    const socket = { ...source.options?.socket, reconnectStrategy: false as const };
    const subscriber = source.duplicate({ socket });
    subscriber.on("error", events.onLost);
    subscriber.on("end", events.onLost);
    const close = () => {
      if (subscriber.isOpen) subscriber.destroy();
    };
    signal.addEventListener("abort", close);
    try {
      await subscriber.connect();
    } finally {
      signal.removeEventListener("abort", close);
    }
    const listener = (message: string, channel: string) => events.onMessage(channel, message);
    return {
      subscribe: (channels) => subscriber.subscribe([...channels], listener),
      unsubscribe: (channels) => subscriber.unsubscribe([...channels]),
      ping: () => subscriber.sendCommand(["PING"]),
      close,
    };
  }

  async #aClient(): Promise<NodeRedisClient> {
    if ("nodeClient" in this.#client) return this.#client.nodeClient(pickOne(this.#client.masters));
    return this.#client;
  }
}
