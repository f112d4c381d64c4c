// Lists the commands that clients send to Redis servers while something runs.

import { createClient } from "redis";
import type { RedisServer } from "../../../../test-support/redis-server.js";

const END = "the end";

/**
 * The names of the commands that clients send to each server while `run` runs; what scripts run is not among them, nor
 * what clients say when they connect.
 */
export async function commandsDuring(
  servers: readonly RedisServer[],
  run: () => Promise<void>,
): Promise<string[][]> {
  const monitors = await Promise.all(servers.map((server) => monitor(server)));
  await run();
  return Promise.all(monitors.map((stop) => stop()));
}

const HANDSHAKES = ["client", "hello", "info", "cluster", "readonly"];

async function monitor(server: RedisServer): Promise<() => Promise<string[]>> {
  const client = createClient({ url: server.url });
  await client.connect();
  const names: string[] = [];
  let tellEnd: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => (tellEnd = resolve));
  await client.monitor((reply) => {
    // As in: 1339518083.107412 [0 127.0.0.1:60866] "EVALSHA" "…"; scripts have `lua` in place of an address.
    const [, source = "", name = "", first = ""] =
      /^\S+ \[\d+ (\S+)\] "([^"]*)"(?: "([^"]*)")?/.exec(reply) ?? [];
    if (first === END) tellEnd();
    else if (source !== "lua" && !HANDSHAKES.includes(name.toLowerCase())) names.push(name.toLowerCase());
  });
  return async () => {
    await server.command("ECHO", END);
    await ended;
    client.destroy();
    return names;
  };
}
