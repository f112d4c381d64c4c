/*
 * The SQLite log against bare prepared statements on the same tables, at the same fsync level: a plain insert without
 * trimming, numbering, or anything else that the log does, and a plain select.
 *
 * On many streams each event is written to a page of its own, whoever writes it: what bare inserts reach there, as many
 * to a transaction as the log has in flight, is the most that a log on these tables could.
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

/** One file for the log, one for bare statements and one for those in transactions, each with the log's tables and settings. */
async function withBoth(
  library: Library,
  durability: Durability,
  use: (log: EventLog, bare: TestDatabase, grouped: TestDatabase) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "resumable-mcp-bench-"));
  const open = (name: string) => library(join(folder, name));
  const [database, bare, grouped] = [open("log.db"), open("bare.db"), open("grouped.db")];
  const log = sqliteLog(database, { durability });
  for (const other of [bare, grouped]) await sqliteLog(other, { durability }).close();
  try {
    await use(log, bare, grouped);
  } finally {
    await log.close();
    for (const opened of [database, bare, grouped]) opened.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Inserts the next event of a stream. */
function bareInserts(bare: TestDatabase): (stream: number) => void {
  const insert: SqliteStatement = bare.prepare(
    "INSERT INTO resumable_mcp_events (stream, seq, floor, at, ttl_ms, head_ttl_ms, bytes_before, bytes, payload) " +
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
  );
  const heads = new Map<number, number>();
  return (stream) => {
    const seq = (heads.get(stream) ?? 0) + 1;
    heads.set(stream, seq);
    const { ttlMs, headTtlMs } = RETENTION;
    insert.run(stream, seq, 1, Date.now(), ttlMs, headTtlMs, seq * PAYLOAD.length, PAYLOAD.length, PAYLOAD);
  };
}

/** Inserts by turns of so many streams, as many in a transaction. Of another file than the other bare inserts. */
function bareTransactions(bare: TestDatabase, streams: number): (inserts: number) => Promise<number> {
  const insert = bareInserts(bare);
  const [begin, commit] = [bare.prepare("BEGIN IMMEDIATE"), bare.prepare("COMMIT")];
  return (inserts) => {
    const startedAt = performance.now();
    for (let transaction = 0; transaction < inserts / streams; transaction += 1) {
      begin.run();
      for (let stream = 1; stream <= streams; stream += 1) insert(stream);
      commit.run();
    }
    return Promise.resolve((inserts / (performance.now() - startedAt)) * 1000);
  };
}

async function appendRow(name: string, library: Library, durability: Durability): Promise<string[]> {
  const row: string[] = [];
  await withBoth(library, durability, async (log, bare, grouped) => {
    const insert = bareInserts(bare);
    const calls = CALLS[durability];
    // As a promise, as a caller of the log has it.
    const insertOne = () => {
      insert(1);
      return Promise.resolve();
    };
    const transactions = bareTransactions(grouped, IN_FLIGHT);
    const append = (streams: number) => (worker: number) =>
      log.append(`stream ${worker % streams}`, PAYLOAD, RETENTION);
    const medians = await mediansOf(
      [
        { name: "bare", run: () => callsPerSecond(calls, 1, insertOne) },
        { name: "transactions", run: () => transactions(GROUPED_CALLS) },
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
      ...[short(rate("transactions")), times(rate("spread") / rate("transactions"))],
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
      insert(1);
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
    ...[`bare, ${IN_FLIGHT} to a transaction`, "log to it"],
  ],
  appends,
);
printTable(`Replays of ${REPLAYED} events a second`, ["", "bare select", "log", "log to bare"], replays);
