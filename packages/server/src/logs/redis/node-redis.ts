// Adapts a node-redis client, for one server or a cluster, to what the log needs.

import { type Connection, pickOne, type Subscriber, type SubscriberEvents } from "./connection.js";

/*
 * The parts of the client that are used, as shapes: the library is not imported, and a client of another version that
 * has them will do.
 */

/** What `duplicate()` of a node-redis client makes: a connection of ours. */
interface NodeRedisSubscriber {
  readonly isOpen: boolean;
  connect(): Promise<unknown>;
  subscribe(channels: string[], listener: (message: string, channel: string) => unknown): Promise<unknown>;
  unsubscribe(channels: string[]): Promise<unknown>;
  sendCommand(command: readonly string[]): Promise<unknown>;
  destroy(): void;
  on(event: string, listener: (error?: unknown) => void): unknown;
}

/** The options with which a node-redis client is duplicated. */
interface NodeRedisOverrides {
  readonly socket: { readonly reconnectStrategy: false };
}

interface NodeRedisCommandOptions {
  readonly typeMapping?: object;
  readonly abortSignal?: AbortSignal;
}

/** What `createClient()` of node-redis 5 makes. */
export interface NodeRedisClient {
  readonly isOpen: boolean;
  readonly isReady: boolean;
  readonly options?: { readonly socket?: object };
  sendCommand(command: readonly string[], options?: NodeRedisCommandOptions): Promise<unknown>;
  on(event: string, listener: () => void): unknown;
  off(event: string, listener: () => void): unknown;
  duplicate(overrides: NodeRedisOverrides): NodeRedisSubscriber;
}

/** What `createCluster()` of node-redis 5 makes. */
export interface NodeRedisCluster {
  readonly isOpen: boolean;
  readonly masters: readonly object[];
  nodeClient(node: object): Promise<NodeRedisClient>;
  sendCommand(
    firstKey: string | undefined,
    isReadonly: boolean | undefined,
    command: string[],
    options?: NodeRedisCommandOptions,
  ): Promise<unknown>;
  on(event: string, listener: () => void): unknown;
  off(event: string, listener: () => void): unknown;
}

type AnyNodeRedis = NodeRedisClient | NodeRedisCluster;

/** Strings as strings, whatever the client was told to make of replies. */
const AS_STRINGS = {};

const RENEW_INTERVAL_MS = 500;

/** A client of node-redis, as the log sees it. */
export class NodeRedisConnection implements Connection {
  readonly isCluster: boolean;
  readonly resends = false;
  /** After commands of others were written to a dead socket; what becomes of ours, see {@link UnwrittenCommands}. */
  readonly mixesAnswers = true;
  readonly keyPrefix = "";
  readonly #client: AnyNodeRedis;
  readonly #unwritten: UnwrittenCommands;
  #renewedAt = -Infinity;

  constructor(client: AnyNodeRedis) {
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

/** Node warns of more listeners on one signal. */
const MAX_COMMANDS_PER_SIGNAL = 10;

/**
 * Some commands that are taken back together. A controller for each one would cost more than all else that the log does
 * for it.
 */
class Group {
  readonly controller = new AbortController();
  /** How many of its commands are not answered yet. */
  commands = 0;
}

/**
 * Takes back, when the connection breaks, what was given to a node-redis client and is not written yet: it listens to a
 * command's signal until it has written it.
 *
 * Else the client would write it to the dead socket, in the same turn of the event loop, after it has cleared its list
 * of calls that wait for an answer. They would wait on, be given the answers to others on the next connection, and as
 * the client's own greetings are among those, it might never be ready again (seen with 5.12.1).
 */
class UnwrittenCommands {
  static readonly #ofClients = new WeakMap<AnyNodeRedis, UnwrittenCommands>();

  readonly #client: AnyNodeRedis;
  readonly #event: string;
  #users = 0;
  /** The one that the next command belongs to. */
  #current = new Group();
  /** The others with commands that are not answered. */
  readonly #others = new Set<Group>();

  /** Those of a client, shared by all logs on it, each of which releases them in the end. */
  static of(client: AnyNodeRedis, event: string): UnwrittenCommands {
    const commands = this.#ofClients.get(client) ?? new UnwrittenCommands(client, event);
    this.#ofClients.set(client, commands);
    if (commands.#users === 0) client.on(event, commands.#takeBack);
    commands.#users += 1;
    return commands;
  }

  private constructor(client: AnyNodeRedis, event: string) {
    this.#client = client;
    this.#event = event;
  }

  /** @param give hands one command to the client, together with the signal. */
  run<Reply>(give: (signal: AbortSignal) => Promise<Reply>): Promise<Reply> {
    const group = this.#withRoom();
    const reply = give(group.controller.signal);
    group.commands += 1;
    const answered = () => {
      group.commands -= 1;
      if (group.commands === 0) this.#others.delete(group);
    };
    reply.then(answered, answered);
    return reply;
  }

  release(): void {
    this.#users -= 1;
    if (this.#users === 0) this.#client.off(this.#event, this.#takeBack);
  }

  #withRoom(): Group {
    if (this.#current.commands === MAX_COMMANDS_PER_SIGNAL) {
      this.#others.add(this.#current);
      this.#current = new Group();
    }
    return this.#current;
  }

  readonly #takeBack = (): void => {
    const groups = [this.#current, ...this.#others];
    this.#current = new Group();
    this.#others.clear();
    for (const { controller } of groups) controller.abort();
  };
}
