import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { repetitions } from "../../../test-support/repetitions.js";
import { sqliteLog } from "../src/logs/sqlite/sqlite-log.js";
import { seededRandom } from "../../testing/src/random.js";
import { sqliteLibraries, type TestDatabase } from "./support/sqlite-libraries.js";
import { type Acknowledged, AppendingProcess } from "./support/appending-process.js";

const STREAMS = 3;
const RETENTION = { maxEvents: null, maxBytes: null, ttlMs: null, headTtlMs: null };
const KILLS = repetitions({ full: 200, scaled: 4 });
/** A life is killed when it has acknowledged so many events and a moment more, so that each gets to work. */
const MAX_EVENTS_BEFORE_KILL = 60;
const MAX_DELAY_MS = 8;

/** Appends in a process of its own until it is killed. */
async function liveAndDie(
  library: string,
  path: string,
  random: () => number,
): Promise<readonly Acknowledged[]> {
  const args = [library, path, JSON.stringify({ durability: "off" })];
  const child = await AppendingProcess.start("./sqlite-process.mjs", args, {
    streams: STREAMS,
    inFlight: 1 + Math.floor(random() * 8),
    appends: 1_000_000,
  });
  try {
    const wanted = Math.floor(random() * MAX_EVENTS_BEFORE_KILL);
    child.go();
    await expect
      .poll(() => child.acknowledged.length, { interval: 1, timeout: 20_000 })
      .toBeGreaterThan(wanted);
    const killAt = performance.now() + random() * MAX_DELAY_MS;
    // Not a timer, which comes by whole milliseconds.
    while (performance.now() < killAt) await new Promise((resolve) => setImmediate(resolve));
  } finally {
    await child.kill();
  }
  return child.acknowledged;
}

/** What the next process finds, with nobody else at the file: it repairs what the killed one left. */
async function assertNothingLost(database: TestDatabase, told: readonly Acknowledged[]): Promise<void> {
  const check = database.prepare("PRAGMA integrity_check").all();
  expect(check).toEqual([expect.objectContaining({ integrity_check: "ok" })]);
  const log = sqliteLog(database, { durability: "off" });
  for (let number = 0; number < STREAMS; number += 1) {
    const stream = `stream ${number}`;
    const ofStream = told.filter((event) => event.stream === stream);
    const page = await log.read(stream, 0, 1_000_000);
    const stored = new Map(page?.entries.map(({ seq, payload }) => [seq, payload]));
    expect([...stored.keys()]).toEqual(Array.from({ length: page?.head.seq ?? 0 }, (_, index) => index + 1));
    for (const { epoch, seq, payload } of ofStream) {
      expect([page?.head.epoch, stored.get(seq)], `${stream} ${seq}`).toEqual([epoch, payload]);
    }
    const next = await log.append(stream, "on it goes", RETENTION);
    expect(next.seq).toBe((page?.head.seq ?? 0) + 1);
  }
  await log.close();
}

for (const [name, library] of Object.entries(sqliteLibraries())) {
  it(`loses no acknowledged event of ${KILLS} processes killed at random instants, on ${name}`, async () => {
    const seed = Date.now();
    const random = seededRandom(seed);
    const folder = await mkdtemp(join(tmpdir(), "resumable-mcp-sqlite-"));
    const told: Acknowledged[] = [];
    try {
      for (let life = 1; life <= KILLS; life += 1) {
        const path = join(folder, "events.db");
        told.push(...(await liveAndDie(name, path, random)));
        const database = library(path);
        try {
          await assertNothingLost(database, told);
        } catch (cause) {
          throw new Error(`After life ${life} of seed ${seed}`, { cause });
        } finally {
          database.close();
        }
      }
      expect(told.length).toBeGreaterThanOrEqual(KILLS);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }, 900_000);
}
