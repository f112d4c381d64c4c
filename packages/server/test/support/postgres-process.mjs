// A process that appends to a Postgres log: node postgres-process.mjs <url> <schema> <streams> <in flight> <appends>.
// Each acknowledged event is one line on stdout, `[stream, epoch, seq, payload]`; it then goes on until it is killed,
// or has made its appends. Starts with a line of its own, and waits for one on stdin.
import { once } from "node:events";
import { writeSync } from "node:fs";
import { postgresLog } from "@resumable-mcp/server/postgres";
import { Pool } from "pg";

const [url, schema, streams, inFlight, appends] = process.argv.slice(2);
const pool = new Pool({ connectionString: url, application_name: "child" });
pool.on("error", () => undefined);
// Long enough for a server on a busy machine to start again.
const log = postgresLog(pool, { schema, timeoutMs: 30_000 });
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

await pool.query("SELECT 1");
writeSync(1, `"ready"\n`);
await once(process.stdin, "data");
await Promise.all(Array.from({ length: Number(inFlight) }, (_, worker) => appendOn(worker)));
await log.close();
await pool.end();
process.stdin.destroy();
