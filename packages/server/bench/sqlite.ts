/*
 * The SQLite log against bare prepared statements on the same tables, at the same fsync level: a plain insert without
 * trimming, numbering, or anything else that the log does, and a plain select.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EventLog } from "@resumable-mcp/server";
import { type Durability, type SqliteStatement, sqliteLog } from "@resumable-mcp/server/sqlite";
import { sqliteLibraries, type TestDatabase } from "../test/support/sqlite-libraries.js";
import { callsPerSecond, mediansOf } from "./support/rounds.js";
import { against, printTable, short, times } from "./support/table.js";

const PAYLOAD = "x".repeat(300);
const RETENTION = { maxEvents: 100, maxBytes: null, ttlMs: 3_600_000, headTtlMs: 86_400_000 };
const IN_FLIGHT = 64;
const REPLAYED = 100;
const CALLS = { full: 1000, normal: 5000, off: 5000 } as const;
const GROUPED_CALLS = 20_000;
const REPLAYS = 1000;
const ROUNDS = 7;

type Library = (path: string) => TestDatabase;

/** One file for the log and one for the bare statements, each with the log's tables and settings. */
async function withBoth(
  library: Library,
  durability: Durability,
  use: (log: EventLog, bare: TestDatabase) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "resumable-mcp-bench-"));
  const [database, bare] = [library(join(folder, "log.db")), library(join(folder, "bare.db"))];
  const log = sqliteLog(database, { durability });
  await sqliteLog(bare, { durability }).close();
  try {
    await use(log, bare);
  } finally {
    await log.close();
    database.close();
    bare.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Inserts the next event of one stream; as a promise, as a caller of the log has it. */
function bareInserts(bare: TestDatabase): () => Promise<void> {
  const insert: SqliteStatement = bare.prepare(
    "INSERT INTO resumable_mcp_events (stream, seq, floor, at, ttl_ms, head_ttl_ms, bytes_before, bytes, payload) " +
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
  );
  let seq = 0;
  return () => {
    seq += 1;
    const { ttlMs, headTtlMs } = RETENTION;
    insert.run(1, seq, 1, Date.now(), ttlMs, headTtlMs, seq * PAYLOAD.length, PAYLOAD.length, PAYLOAD);
    return Promise.resolve();
  };
}

async function appendRow(name: string, library: Library, durability: Durability): Promise<string[]> {
  const row: string[] = [];
  await withBoth(library, durability, async (log, bare) => {
    const insert = bareInserts(bare);
    const calls = CALLS[durability];
    const append = (streams: number) => (worker: number) =>
      log.append(`stream ${worker % streams}`, PAYLOAD, RETENTION);
    const medians = await mediansOf(
      [
        { name: "bare", run: () => callsPerSecond(calls, 1, insert) },
        { name: "one", run: () => callsPerSecond(calls, 1, append(1)) },
        { name: "grouped", run: () => callsPerSecond(GROUPED_CALLS, IN_FLIGHT, append(1)) },
        { name: "spread", run: () => callsPerSecond(GROUPED_CALLS, IN_FLIGHT, append(IN_FLIGHT)) },
      ],
      { rounds: ROUNDS },
    );
    const rate = (contender: string) => medians.get(contender) ?? Number.NaN;
    const inFlight = (contender: string) => {
      const ratio = rate(contender) / rate("bare");
      return durability === "full" ? against(ratio, 5) : times(ratio);
    };
    row.push(
      ...[`${name}, ${durability}`, short(rate("bare"))],
      ...[short(rate("one")), against(rate("one") / rate("bare"), 0.6)],
      ...[short(rate("grouped")), inFlight("grouped"), short(rate("spread")), inFlight("spread")],
    );
  });
  return row;
}

async function replayRow(name: string, library: Library): Promise<string[]> {
  const row: string[] = [];
  await withBoth(library, "full", async (log, bare) => {
    const insert = bareInserts(bare);
    for (let event = 0; event < 2 * REPLAYED; event += 1) {
      await log.append("stream", PAYLOAD, { ...RETENTION, maxEvents: null });
      await insert();
    }
    const select = bare.prepare(
      "SELECT seq, payload FROM resumable_mcp_events WHERE stream = ? AND seq > ? ORDER BY seq LIMIT ?",
    );
    const medians = await mediansOf(
      [
        {
          name: "bare",
          run: () => callsPerSecond(REPLAYS, 1, () => Promise.resolve(select.all(1, REPLAYED / 2, REPLAYED))),
        },
        {
          name: "log",
          run: () => callsPerSecond(REPLAYS, 1, () => log.read("stream", REPLAYED / 2, REPLAYED)),
        },
      ],
      { rounds: ROUNDS },
    );
    const [ours = Number.NaN, theirs = Number.NaN] = [medians.get("log"), medians.get("bare")];
    row.push(name, short(theirs), short(ours), against(ours / theirs, 0.8));
  });
  return row;
}

const appends: string[][] = [];
const replays: string[][] = [];
for (const [name, library] of Object.entries(sqliteLibraries())) {
  for (const durability of ["full", "normal", "off"] as const) {
    appends.push(await appendRow(name, library, durability));
  }
  replays.push(await replayRow(name, library));
}
printTable(
  `Appends of ${PAYLOAD.length} bytes a second (medians of ${ROUNDS} alternating rounds)`,
  [
    ...["", "bare insert", "log, one at a time", "to bare"],
    ...[`log, ${IN_FLIGHT} in flight`, "to bare", `on ${IN_FLIGHT} streams`, "to bare"],
  ],
  appends,
);
printTable(`Replays of ${REPLAYED} events a second`, ["", "bare select", "log", "log to bare"], replays);
