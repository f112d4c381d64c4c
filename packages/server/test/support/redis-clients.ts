// Opens clients of both libraries for the tests of the Redis log.

import { Cluster, Redis } from "ioredis";
import { createClient, createCluster } from "redis";
import type { RedisCluster, RedisServer } from "../../../../test-support/redis-server.js";
import type { RedisClient } from "../../src/logs/redis/redis-log.js";

/** A connected client, and how to end it. */
export interface OpenClient {
  readonly client: RedisClient;
  readonly close: () => Promise<void>;
}

/** Errors of clients are what the tests make; the calls that fail report them. */
const ignore = () => undefined;

export async function openIoredis(server: Pick<RedisServer, "port">, options = {}): Promise<OpenClient> {
  const client = new Redis(server.port, "127.0.0.1", { lazyConnect: true, ...options });
  client.on("error", ignore);
  await client.connect();
  return { client, close: async () => client.disconnect() };
}

export async function openNodeRedis(server: Pick<RedisServer, "port">, options = {}): Promise<OpenClient> {
  const client = createClient({ url: `redis://127.0.0.1:${server.port}`, ...options });
  client.on("error", ignore);
  await client.connect();
  return { client, close: async () => client.destroy() };
}

export async function openIoredisCluster(cluster: RedisCluster): Promise<OpenClient> {
  const startup = cluster.nodes.map(({ port }) => ({ host: "127.0.0.1", port }));
  const client = new Cluster(startup, { lazyConnect: true });
  client.on("error", ignore);
  await client.connect();
  return { client, close: async () => client.disconnect() };
}

export async function openNodeRedisCluster(cluster: RedisCluster): Promise<OpenClient> {
  const client = createCluster({ rootNodes: cluster.nodes.map(({ url }) => ({ url })) });
  client.on("error", ignore);
  await client.connect();
  return { client, close: async () => client.destroy() };
}
