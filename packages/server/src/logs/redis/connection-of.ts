import { EventStoreError } from "../../log/errors.js";
import type {
  IoredisClient,
  IoredisCluster,
  NodeRedisClient,
  NodeRedisCluster,
  RedisClient,
} from "./clients.js";
import type { Connection } from "./connection.js";
import { IoredisConnection } from "./ioredis.js";
import { NodeRedisConnection } from "./node-redis.js";

/**
 * The shim that fits a client.
 *
 * @throws {EventStoreError} `invalid-option` when it is none of the four kinds, or is not connected.
 */
export function connectionOf(client: RedisClient): Connection {
  const connection = shimFor(client);
  if (connection === undefined) {
    throw new EventStoreError(
      "invalid-option",
      "client must be a Redis or Cluster of ioredis 5, or what createClient() or createCluster() of redis 5 make.",
    );
  }
  if (connection.isClosed()) {
    throw new EventStoreError(
      "invalid-option",
      "client is not connected. Connect it first (await client.connect()), and do not close it before the log.",
    );
  }
  return connection;
}

function shimFor(client: RedisClient): Connection | undefined {
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
