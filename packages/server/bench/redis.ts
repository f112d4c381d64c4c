/*
 * The Redis log against the same server and client used bare, and against the scheme of key-value event stores: write
 * the event, read the stream's list of ids, write it back; replay by one get for each event.
 *
 * Between the log and a bare XADD stands a script that does no more than the log's five commands, and decides nothing:
 * what a call costs the server that also keeps the stream's state and wakes its followers.
 */
import type { EventLog } from "@resumable-mcp/server";
import { redisLog } from "@resumable-mcp/server/redis";
import { Redis } from "ioredis";
import { createClient } from "redis";
import { RedisServer } from "../../../test-support/redis-server.js";
import { callsPerSecond, type Contender, mediansOf } from "./support/rounds.js";
import { against, printTable, short, times } from "./support/table.js";

const PAYLOAD = "x".repeat(300);
const RETENTION = { maxEvents: 100, maxBytes: 10_000_000, ttlMs: 3_600_000, headTtlMs: 86_400_000 };
const TTL_SECONDS = "3600";
const IN_FLIGHT = 64;

const BARE_SCRIPT = `
  local now = redis.call('TIME')
  local known = redis.call('GET', KEYS[1])
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', '100', '*', 'p', ARGV[1])
  redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
  redis.call('PUBLISH', KEYS[1], 'wake')
  return now[1]`;
/** As long as the state of a stream is. */
const STATE = "x".repeat(120);

type Command = (...command: string[]) => Promise<unknown>;

/** What the key-value event store does, over the same client. */
class KeyValueScheme {
  readonly #command: Command;
  #ids = 0;

  constructor(command: Command) {
    this.#command = command;
  }

  async append(stream: string): Promise<void> {
    const id = `event-${(this.#ids += 1)}`;
    await this.#command("SET", `kv:${id}`, PAYLOAD, "EX", TTL_SECONDS);
    const ids = await this.#idsOf(stream);
    ids.push(id);
    const dropped = ids.splice(0, Math.max(0, ids.length - RETENTION.maxEvents));
    await this.#command("SET", `kv:list:${stream}`, JSON.stringify(ids), "EX", TTL_SECONDS);
    for (const old of dropped) await this.#command("DEL", `kv:${old}`);
  }

  async replay(stream: string, count: number): Promise<void> {
    const ids = await this.#idsOf(stream);
    for (const id of ids.slice(-count)) await this.#command("GET", `kv:${id}`);
  }

  async #idsOf(stream: string): Promise<string[]> {
    const list = await this.#command("GET", `kv:list:${stream}`);
    return typeof list === "string" ? (JSON.parse(list) as string[]) : [];
  }
}

interface Subject {
  readonly name: string;
  readonly log: EventLog;
  readonly command: Command;
}

const rows: string[][] = [];

async function compareAppends(
  { name, log, command }: Subject,
  inFlight: number,
  streams: number,
): Promise<void> {
  const calls = inFlight === 1 ? 4000 : 30_000;
  const scheme = new KeyValueScheme(command);
  const script = String(await command("SCRIPT", "LOAD", BARE_SCRIPT));
  const measure = (
    contender: string,
    count: number,
    append: (stream: string) => Promise<unknown>,
  ): Contender => ({
    name: contender,
    run: () => callsPerSecond(count, inFlight, (worker) => append(`stream ${worker % streams}`)),
  });
  const contenders = [
    measure("log", calls, (stream) => log.append(stream, PAYLOAD, RETENTION)),
    measure("exact", calls, (stream) =>
      command("XADD", `bare:${stream}`, "MAXLEN", "100", "*", "p", PAYLOAD),
    ),
    measure("approximate", calls, (stream) =>
      command("XADD", `bare:~${stream}`, "MAXLEN", "~", "100", "*", "p", PAYLOAD),
    ),
    measure("script", calls, (stream) =>
      command("EVALSHA", script, "2", `bare:state:${stream}`, `bare:script:${stream}`, PAYLOAD, STATE),
    ),
    measure("scheme", calls / 4, (stream) => scheme.append(stream)),
  ];
  // Full streams first: trimming is a part of the work.
  for (const contender of contenders) await contender.run();
  const medians = await mediansOf(contenders, { rounds: 9 });
  const rate = (contender: string) => medians.get(contender) ?? Number.NaN;
  rows.push([
    name,
    inFlight === 1
      ? "one at a time"
      : `${inFlight} in flight, ${streams === 1 ? "one stream" : `${streams} streams`}`,
    short(rate("log")),
    short(rate("exact")),
    short(rate("approximate")),
    short(rate("script")),
    short(rate("scheme")),
    against(rate("log") / rate("exact"), 0.8),
    times(rate("log") / rate("approximate")),
    times(rate("log") / rate("script")),
    against(rate("log") / rate("scheme"), 2),
  ]);
}

const replayRows: string[][] = [];

async function compareReplay({ name, log, command }: Subject): Promise<void> {
  const scheme = new KeyValueScheme(command);
  for (let event = 0; event < 100; event += 1) {
    await log.append("replayed", PAYLOAD, RETENTION);
    await scheme.append("replayed");
  }
  const head = (await log.read("replayed", 0, 1))?.head.seq ?? 0;
  const medians = await mediansOf([
    { name: "log", run: () => callsPerSecond(500, 1, () => log.read("replayed", head - 90, 100)) },
    { name: "scheme", run: () => callsPerSecond(30, 1, () => scheme.replay("replayed", 90)) },
  ]);
  const [ours = Number.NaN, theirs = Number.NaN] = [medians.get("log"), medians.get("scheme")];
  replayRows.push([name, short(ours), short(theirs), against(ours / theirs, 10)]);
}

const server = await RedisServer.start();
const ioredis = new Redis(server.port, "127.0.0.1");
const nodeRedis = createClient({ url: server.url });
await nodeRedis.connect();
const subjects: Subject[] = [
  { name: "ioredis", log: redisLog(ioredis), command: (name, ...args) => ioredis.call(name, ...args) },
  { name: "node-redis", log: redisLog(nodeRedis), command: (...command) => nodeRedis.sendCommand(command) },
];
try {
  for (const subject of subjects) {
    for (const [inFlight, streams] of [
      [1, 1],
      [IN_FLIGHT, 1],
      [IN_FLIGHT, IN_FLIGHT],
    ] as const) {
      await server.command("FLUSHALL");
      await compareAppends(subject, inFlight, streams);
    }
    await server.command("FLUSHALL");
    await compareReplay(subject);
  }
  printTable(
    `Appends per second: ${PAYLOAD.length} bytes each, ${RETENTION.maxEvents} kept, medians of 9 alternating rounds`,
    [
      ...["client", "how", "log", "XADD MAXLEN", "XADD MAXLEN ~", "five commands", "scheme"],
      ...["to XADD", "to XADD ~", "to five commands", "to scheme"],
    ],
    rows,
  );
  printTable("Replays of 90 events per second", ["client", "log", "scheme", "to scheme"], replayRows);
} finally {
  for (const { log } of subjects) await log.close();
  ioredis.disconnect();
  nodeRedis.destroy();
  await server.stop();
}
