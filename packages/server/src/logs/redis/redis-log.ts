// Opens a log on Redis, the public entry: checks its options and finds out which library the client is from.

import { checkedLog } from "../../log/checked-log.js";
import { EventStoreError } from "../../log/errors.js";
import type { EventLog } from "../../log/event-log.js";
import { checkFunction, checkInteger } from "../../log/validation.js";
import { MAX_TIMER_MS } from "../../log/waits.js";
import type { Connection } from "./connection.js";
import { type IoredisClient, type IoredisCluster, IoredisConnection } from "./ioredis.js";
import { type NodeRedisClient, type NodeRedisCluster, NodeRedisConnection } from "./node-redis.js";
import { RedisDriver, type RedisDriverOptions } from "./redis-driver.js";

export type { IoredisClient, IoredisCluster } from "./ioredis.js";
export type { NodeRedisClient, NodeRedisCluster } from "./node-redis.js";

/** A connected client of `ioredis` 5 or of `redis` 5 (node-redis), for one server or a cluster. */
export type RedisClient = IoredisClient | IoredisCluster | NodeRedisClient | NodeRedisCluster;

export interface RedisLogOptions {
  /**
   * What the names of all keys and channels of the log begin with. Logs with the same one share their streams. Not
   * with braces, which have a meaning to a cluster.
   *
   * @defaultValue "resumable-mcp:"
   */
  readonly prefix?: string;
  /**
   * How long a call to the server may take in all, in milliseconds, attempts after a broken connection included. An
   * append that has to wait for others of its stream may take twice as long.
   *
   * @defaultValue 5000
   */
  readonly timeoutMs?: number;
  /**
   * Of how many streams this process remembers the state. An append to another one is no more calls, but more work for
   * the server.
   *
   * @defaultValue 1000
   */
  readonly maxOpenStreams?: number;
  /** How often a silent connection for wake-ups is looked at, in milliseconds. @defaultValue 10000 */
  readonly heartbeatMs?: number;
  /** The largest payload that `append` takes, in bytes of UTF-8. @defaultValue 16 MiB */
  readonly maxPayloadBytes?: number;
  /**
   * How much may wait to be stored at a time, in bytes: the payloads, and about 500 bytes for each. Past it, `append`
   * fails with `overloaded`, and nothing of it is stored.
   *
   * @defaultValue 256 MiB
   */
  readonly maxPendingBytes?: number;
  /**
   * Called when the connection for wake-ups breaks, or cannot be made. Nothing is lost by it: another one is made, and
   * until then followers are woken every few seconds to look for themselves. Must not throw.
   *
   * @defaultValue nothing is called
   */
  readonly onError?: (error: EventStoreError) => void;
}

const DEFAULT_PREFIX = "resumable-mcp:";
const DEFAULT_TIMEOUT_MS = 5000;
const DEFAULT_HEARTBEAT_MS = 10_000;
const DEFAULT_MAX_OPEN_STREAMS = 1000;
const DEFAULT_MAX_PENDING_BYTES = 256 * 1024 * 1024;

/**
 * A log on Redis 7 or Valkey 8: for many machines, any of which may append to any stream and read it.
 *
 * An append is one call to the server, and so is a page of a read. Appends to one stream that come while another is
 * under way go together in one call; where many wait, half of them go in a second one before the first is answered,
 * and are stored only behind it. The client may be one of `ioredis` 5 or of `redis` 5 (node-redis), for one server
 * or a cluster; it must be connected, and it is never closed by the log. For wake-ups the log opens one connection
 * more, as a duplicate of the client's, while anybody is subscribed.
 *
 * When the connection breaks, an append is tried again; the server knows it when it comes a second time, so it is not
 * stored twice. What finally fails is an {@link EventStoreError} whose `mayHaveHappened` says whether the event may be
 * stored all the same.
 *
 * What an acknowledged append outlives is the server's affair: with `appendfsync always` any crash; with the default,
 * `everysec`, the crash of the client, and a crash of the server but for its last second; with replicas, a failover
 * but for what had not reached the replica. The next append of a process whose events were lost so finds it out, and
 * gives none of their numbers to another event: readers who have them go on, the others find a gap, or another epoch
 * when other processes have appended meanwhile.
 *
 * @throws {EventStoreError} `invalid-option`, also for a client that is not connected.
 */
export function redisLog(client: RedisClient, options: RedisLogOptions = {}): EventLog {
  return checkedLog(options.maxPayloadBytes, () => {
    // The options first, since a connection may leave a listener with the client until it is released.
    const complete = completed(options);
    return new RedisDriver(connectionOf(client), complete);
  });
}

/** @throws {EventStoreError} `invalid-option` */
function completed(options: RedisLogOptions): RedisDriverOptions {
  const {
    prefix = DEFAULT_PREFIX,
    timeoutMs = DEFAULT_TIMEOUT_MS,
    maxOpenStreams = DEFAULT_MAX_OPEN_STREAMS,
    heartbeatMs = DEFAULT_HEARTBEAT_MS,
    maxPendingBytes = DEFAULT_MAX_PENDING_BYTES,
    onError = () => undefined,
  } = options;
  checkPrefix(prefix);
  checkInteger("timeoutMs", timeoutMs, 1, MAX_TIMER_MS);
  checkInteger("heartbeatMs", heartbeatMs, 1, MAX_TIMER_MS);
  checkInteger("maxPendingBytes", maxPendingBytes, 1);
  checkInteger("maxOpenStreams", maxOpenStreams, 1);
  checkFunction("onError", onError);
  return { prefix, timeoutMs, maxOpenStreams, heartbeatMs, maxPendingBytes, onError };
}

function checkPrefix(prefix: unknown): void {
  if (typeof prefix === "string" && !/[{}]/.test(prefix)) return;
  throw new EventStoreError(
    "invalid-option",
    `prefix must be a string without braces, not ${JSON.stringify(prefix)}.`,
  );
}

/**
 * Finds out which of the four kinds of client it is.
 *
 * @throws {EventStoreError} `invalid-option` when it is none of the four kinds, or is not connected.
 */
function connectionOf(client: RedisClient): Connection {
  const connection = connectionFor(client);
  if (connection === undefined) {
    throw new EventStoreError(
      "invalid-option",
      "client must be a Redis or Cluster of ioredis 5, or what createClient() or createCluster() of redis 5 make.",
    );
  }
  if (connection.isClosed()) {
    connection.release();
    throw new EventStoreError(
      "invalid-option",
      "client is not connected. Connect it first (await client.connect()), and do not close it before the log.",
    );
  }
  return connection;
}

function connectionFor(client: RedisClient): Connection | undefined {
  if (isIoredis(client)) return new IoredisConnection(client);
  if (isNodeRedis(client)) return new NodeRedisConnection(client);
  return undefined;
}

function isIoredis(client: unknown): client is IoredisClient | IoredisCluster {
  return hasFunction(client, "call") && "status" in client && typeof client.status === "string";
}

/** A pool or a sentinel client of node-redis has `sendCommand` too, but no way to a connection for wake-ups. */
function isNodeRedis(client: unknown): client is NodeRedisClient | NodeRedisCluster {
  return hasFunction(client, "sendCommand") && hasFunction(client, "duplicate") && "isOpen" in client;
}

function hasFunction(client: unknown, name: string): client is object {
  return typeof client === "object" && client !== null && typeof Reflect.get(client, name) === "function";
}
