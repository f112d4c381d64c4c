// What each process that appends to a log does: each acknowledged event becomes one line on stdout.
import { once } from "node:events";
import { writeSync } from "node:fs";

const RETENTION = { maxEvents: null, maxBytes: null, ttlMs: null, headTtlMs: null };

/**
 * Starts with a line of its own and waits for one on stdin. Then it appends until it is killed or has made its
 * appends, and writes `[stream, epoch, seq, payload]` for each that was acknowledged.
 *
 * @param {import("@resumable-mcp/server").EventLog} log
 * @param {{ streams: string, inFlight: string, appends: string }} work
 */
export async function appendUntilKilled(log, { streams, inFlight, appends }) {
  let left = Number(appends);
  async function appendOn(worker) {
    const stream = `stream ${worker % Number(streams)}`;
    while (left > 0) {
      const payload = `${process.pid}/${worker}/${left}`;
      left -= 1;
      const { epoch, seq } = await log.append(stream, payload, RETENTION);
      // Synchronous, so that what was acknowledged has left the process before anything else happens in it.
      writeSync(1, `${JSON.stringify([stream, epoch, seq, payload])}\n`);
    }
  }

  writeSync(1, `"ready"\n`);
  await once(process.stdin, "data");
  await Promise.all(Array.from({ length: Number(inFlight) }, (_, worker) => appendOn(worker)));
  await log.close();
  process.stdin.destroy();
}
