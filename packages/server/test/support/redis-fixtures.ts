// Starts Redis servers and opens logs on them, each for the running test.

import { faultProxy, type FaultProxy } from "@resumable-mcp/testing/fault-proxy";
import { onTestFinished } from "vitest";
import { RedisServer } from "../../../../test-support/redis-server.js";
import type { EventLog } from "../../src/log/event-log.js";
import { redisLog, type RedisLogOptions } from "../../src/logs/redis/redis-log.js";
import { openIoredis, openNodeRedis, type OpenClient } from "./redis-clients.js";

export const KEEP = { maxEvents: null, maxBytes: null, ttlMs: null, headTtlMs: null };

/** The clients of one server, each with how it is opened. */
export const KINDS = [
  ["ioredis", openIoredis],
  ["node-redis", openNodeRedis],
] as const;

export type Opener = (server: { readonly port: number }) => Promise<OpenClient>;

/** A server for the running test. */
export async function started(options?: Parameters<typeof RedisServer.start>[0]): Promise<RedisServer> {
  const server = await RedisServer.start(options);
  onTestFinished(() => server.stop());
  return server;
}

/** A way to a server that can be broken, for the running test. */
export async function behindProxy(server: { readonly port: number }, seed = 1): Promise<FaultProxy> {
  const proxy = await faultProxy({ target: `http://127.0.0.1:${server.port}`, seed });
  onTestFinished(() => proxy.close());
  return proxy;
}

/** A log for the running test, on a client of its own. */
export async function opened(
  open: Opener,
  server: { readonly port: number },
  options: RedisLogOptions = {},
): Promise<EventLog> {
  const { client, close } = await open(server);
  onTestFinished(close);
  const log = redisLog(client, options);
  onTestFinished(() => log.close());
  return log;
}
