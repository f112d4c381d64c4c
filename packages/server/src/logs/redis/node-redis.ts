import type { NodeRedisClient, NodeRedisCluster } from "./clients.js";
import type { Connection, Subscriber, SubscriberEvents } from "./connection.js";
import { pickOne } from "./pick-one.js";
import { UnwrittenCommands } from "./unwritten-commands.js";

/** Strings as strings, whatever the client was told to make of replies. */
const AS_STRINGS = {};

const RENEW_INTERVAL_MS = 500;

/** The shim for node-redis, one server or a cluster. */
export class NodeRedisConnection implements Connection {
  readonly isCluster: boolean;
  readonly resends = false;
  /** After commands of others were written to a dead socket; what becomes of ours, see {@link UnwrittenCommands}. */
  readonly mixesAnswers = true;
  readonly keyPrefix = "";
  readonly #client: NodeRedisClient | NodeRedisCluster;
  readonly #unwritten: UnwrittenCommands;
  #renewedAt = -Infinity;

  constructor(client: NodeRedisClient | NodeRedisCluster) {
    this.#client = client;
    this.isCluster = "nodeClient" in client;
    this.#unwritten = UnwrittenCommands.of(client, this.isCluster ? "node-reconnecting" : "reconnecting");
  }

  isClosed(): boolean {
    return !this.#client.isOpen;
  }

  send(key: string | undefined, command: readonly string[]): Promise<unknown> {
    const client = this.#client;
    return this.#unwritten.run((abortSignal) => {
      const options = { typeMapping: AS_STRINGS, abortSignal };
      return "nodeClient" in client
        ? client.sendCommand(key, false, [...command], options)
        : client.sendCommand(command, options);
    });
  }

  wasNotSent(error: unknown): boolean {
    // Its class is not imported, and it has no code.
    return error instanceof Error && error.constructor.name === "AbortError";
  }

  release(): void {
    this.#unwritten.release();
  }

  renew(key: string | undefined): void {
    // Whoever else finds out about the same connection must not end the next one.
    const now = performance.now();
    if (now - this.#renewedAt < RENEW_INTERVAL_MS) return;
    this.#renewedAt = now;
    this.send(key, ["QUIT"]).catch(() => undefined);
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
