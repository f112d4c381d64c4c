import { afterAll, describe, expect, test } from "vitest";
import { repetitions } from "../../../test-support/repetitions.js";
import { table } from "../../../test-support/weather/table.js";
import type { EventLog } from "../src/log/event-log.js";
import { EventStore } from "../src/sdk/event-store.js";
import { memoryLog } from "../src/logs/memory.js";
import { Caller, pause } from "./support/caller.js";
import { answer, numbered } from "./support/messages.js";
import { NaiveStore } from "./support/naive-store.js";
import { seededRandom } from "../../testing/src/random.js";
import { type Open, SdkSession, sdks } from "./support/sdk.js";
import { slowLog } from "./support/slow-log.js";
import { sum, tally, type Tally } from "./support/tally.js";

const CALLS = repetitions({ full: 20, scaled: 6 });
const MESSAGES = repetitions({ full: 400, scaled: 120 });
const KILL_EVERY_MS = repetitions({ full: 60, scaled: 15 });
const SEND_EVERY_MS = repetitions({ full: 5, scaled: 2 });
const seeds = Array.from({ length: repetitions({ full: 20, scaled: 2 }) }, (_, index) => index + 1);

type Store = Parameters<typeof SdkSession.open>[1];

/** What a call has to bring. */
const expected = (id: number): object[] => [
  ...Array.from({ length: MESSAGES }, (_, index) => numbered(index)),
  answer(id),
];

async function serve(session: SdkSession, id: number, random: () => number): Promise<void> {
  const sent: Promise<void>[] = [];
  for (let number = 0; number < MESSAGES; number += 1) {
    // Not awaited: several are under way at once, as with most tool handlers.
    sent.push(session.transport.send(numbered(number), { relatedRequestId: id }));
    await pause(random() * 2 * SEND_EVERY_MS);
  }
  sent.push(session.transport.send(answer(id), { relatedRequestId: id }));
  await Promise.all(sent);
}

/** Runs calls whose connections die all the time, until each has its answer. */
async function run(open: Open, store: Store, random: () => number): Promise<readonly Caller[]> {
  const session = await SdkSession.open(open, store);
  const callers = Array.from({ length: CALLS }, (_, index) => new Caller(session, index + 1, random));
  await Promise.all(
    callers.map(async (caller) => {
      await caller.start();
      await Promise.all([caller.run(KILL_EVERY_MS), serve(session, caller.id, random)]);
    }),
  );
  await session.transport.close();
  return callers;
}

const tallyOf = (callers: readonly Caller[]): Tally =>
  sum(callers.map(({ id, received }) => tally(expected(id), received)));

/** A run over a log that is slow at random, with the store that is made on it. */
function runOverSlowLog(
  open: Open,
  seed: number,
  storeOn: (log: EventLog) => Store,
): Promise<readonly Caller[]> {
  const random = seededRandom(seed);
  return run(open, storeOn(slowLog(memoryLog(), random)), random);
}

const ourStore = (storage: EventLog): Store =>
  new EventStore({ storage, maxEventsPerStream: null, replayPageSize: 20 });

const exampleStore = (log: EventLog): Store => {
  const naive = new NaiveStore(log);
  return { forSession: () => naive, endSession: () => Promise.resolve() };
};

/** A row for each SDK. */
const rows: (readonly (string | number)[])[] = [];

afterAll(() => {
  const heading = [
    "SDK",
    "messages",
    "lost by ours",
    "repeated",
    "disordered",
    "lost by the examples' scheme",
  ];
  if (rows.length > 0) console.info(table([heading, ...rows]));
});

describe.each(sdks)("under SDK $sdk and dying connections", ({ sdk, open }) => {
  const ours: Tally[] = [];
  const theirs: Tally[] = [];

  afterAll(() => {
    const { expected, lost, repeated, disordered } = sum(ours);
    if (ours.length > 0) rows.push([sdk, expected, lost, repeated, disordered, sum(theirs).lost]);
  });

  test.each(seeds)("every message arrives once and in order, over a slow log (seed %i)", async (seed) => {
    const [callers, beside] = await Promise.all([
      runOverSlowLog(open, seed, ourStore),
      runOverSlowLog(open, seed, exampleStore),
    ]);
    ours.push(tallyOf(callers));
    theirs.push(tallyOf(beside));
    for (const { id, received } of callers) expect(received).toEqual(expected(id));
    expect(callers.reduce((total, { resumes }) => total + resumes, 0)).toBeGreaterThan(CALLS * 3);
  });

  test("every message arrives once and in order, over a log that answers at once", async () => {
    const session = await SdkSession.open(open, new EventStore({ maxEventsPerStream: null }));
    const caller = new Caller(session, 1, seededRandom(1));
    await caller.start();
    const running = caller.run(1);
    let number = 0;
    // In bursts from microtasks, so that some fall between the end of a replay and the next macrotask.
    for (let burst = 0; burst < 300; burst += 1) {
      for (let step = 0; step < 40; step += 1) {
        if (step % 4 === 0) void session.transport.send(numbered(number++), { relatedRequestId: 1 });
        await Promise.resolve();
      }
      if (burst % 3 === 0) await pause(0);
    }
    await session.transport.send(answer(1), { relatedRequestId: 1 });
    await running;
    expect(caller.received).toEqual([...Array.from({ length: number }, (_, n) => numbered(n)), answer(1)]);
    expect(caller.resumes).toBeGreaterThan(20);
    await session.transport.close();
  });

  test("a store that does not hold the seam loses messages in the same runs", async () => {
    if (theirs.length === 0) theirs.push(tallyOf(await runOverSlowLog(open, 1, exampleStore)));
    expect(sum(theirs).lost).toBeGreaterThan(0);
  });
});
