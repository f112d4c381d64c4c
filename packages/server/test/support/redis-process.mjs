// A process that appends to a Redis log: node redis-process.mjs <client> <port> <streams> <in flight> <appends>.
// Each acknowledged event is one line on stdout, `[stream, epoch, seq, payload]`; it then goes on until it is killed, or
// has made its appends. Starts with a line of its own, and waits for one on stdin.
import { once } from "node:events";
import { writeSync } from "node:fs";
import { redisLog } from "@resumable-mcp/server/redis";
import { Redis } from "ioredis";
import { createClient } from "redis";

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
const log = redisLog(client, { timeoutMs: 20_000 });
const retention = { maxEvents: null, maxBytes: null, ttlMs: null, headTtlMs: null };

let left = Number(appends);
async function appendOn(worker) {
  const stream = `stream ${worker % Number(streams)}`;
  while (left > 0) {
    const payload = `${process.pid}/${worker}/${left}`;
    left -= 1;
    const { epoch, seq } = await log.append(stream, payload, retention);
    // Synchronous, so that what was acknowledged has left the process before anything else happens in it.
    writeSync(1, `${JSON.stringify([stream, epoch, seq, payload])}\n`);
  }
}

writeSync(1, `"ready"\n`);
await once(process.stdin, "data");
await Promise.all(Array.from({ length: Number(inFlight) }, (_, worker) => appendOn(worker)));
await log.close();
close();
process.stdin.destroy();
