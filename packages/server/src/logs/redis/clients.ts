/*
 * The parts of the two clients that are used, as shapes: none of them is imported, and a client of another version that
 * has them will do.
 */

/** What `duplicate()` of an ioredis client makes: a connection of ours. */
export interface IoredisSubscriber {
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
export interface IoredisOverrides {
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

/** What `duplicate()` of a node-redis client makes: a connection of ours. */
export interface NodeRedisSubscriber {
  readonly isOpen: boolean;
  connect(): Promise<unknown>;
  subscribe(channels: string[], listener: (message: string, channel: string) => unknown): Promise<unknown>;
  unsubscribe(channels: string[]): Promise<unknown>;
  sendCommand(command: readonly string[]): Promise<unknown>;
  destroy(): void;
  on(event: string, listener: (error?: unknown) => void): unknown;
}

/** The options with which a node-redis client is duplicated. */
export interface NodeRedisOverrides {
  readonly socket: { readonly reconnectStrategy: false };
}

export interface NodeRedisCommandOptions {
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

/** A connected client of `ioredis` 5 or of `redis` 5 (node-redis), for one server or a cluster. */
export type RedisClient = IoredisClient | IoredisCluster | NodeRedisClient | NodeRedisCluster;
