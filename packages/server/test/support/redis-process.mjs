// A process that appends to a Redis log: node redis-process.mjs <client> <port> <streams> <in flight> <appends>.
import { redisLog } from "@resumable-mcp/server/redis";
import { Redis } from "ioredis";
import { createClient } from "redis";

import { appendUntilKilled } from "./append-until-killed.mjs";

const [kind, port, streams, inFlight, appends] = process.argv.slice(2);

async function connect() {
  if (kind === "ioredis") {
    const client = new Redis(Number(port), "127.0.0.1");
    client.on("error", () => {});
    return { client, close: () => client.disconnect() };
  }
  const client = createClient({ url: `redis://127.0.0.1:${port}` });
  client.on("error", () => {});
  await client.connect();
  return { client, close: () => client.destroy() };
}

const { client, close } = await connect();
await appendUntilKilled(redisLog(client, { timeoutMs: 20_000 }), { streams, inFlight, appends });
close();
