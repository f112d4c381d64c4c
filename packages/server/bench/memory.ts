/*
 * The memory log against the event store of the SDKs' examples (the installed one itself): a map of all events of all
 * streams, which a replay sorts. And what the memory log takes of the heap.
 */
import { InMemoryEventStore } from "@modelcontextprotocol/sdk/examples/shared/inMemoryEventStore.js";
import { type EventLog, memoryLog } from "@resumable-mcp/server";
import { heapInUse } from "../test/support/heap.js";
import { callsPerSecond, type Contender, mediansOf } from "./support/rounds.js";
import { against, duration, printTable, short, times } from "./support/table.js";

const EVENTS_PER_STREAM = 100;
const RETENTION = { maxEvents: EVENTS_PER_STREAM, maxBytes: null, ttlMs: 3_600_000, headTtlMs: 86_400_000 };
const STORED = 100_000;
const CURVE = [1000, 10_000, STORED, 1_000_000];
/** How many of the streams are replayed, by turns: as many as the smallest store has, so that caches favour none. */
const REPLAYED_STREAMS = 10;

const MESSAGE = {
  jsonrpc: "2.0",
  method: "notifications/progress",
  params: { progressToken: 1, progress: 1, total: 100, message: "x".repeat(200) },
} as const;
const PAYLOAD = JSON.stringify(MESSAGE);

const openLog = () => memoryLog({ maxTotalBytes: 2 ** 40 });
// The example store takes a stream's name for all that comes before the first "_".
const streamOf = (event: number, streams: number) => `stream ${event % streams}`;

/** Appends to a store by turns of its streams, at a rate. */
function fillLog(log: EventLog, events: number): Promise<number> {
  const streams = events / EVENTS_PER_STREAM;
  let event = 0;
  return callsPerSecond(events, 1, () => log.append(streamOf((event += 1), streams), PAYLOAD, RETENTION));
}

function fillExample(store: InMemoryEventStore, events: number): Promise<number> {
  const streams = events / EVENTS_PER_STREAM;
  let event = 0;
  return callsPerSecond(events, 1, () => store.storeEvent(streamOf((event += 1), streams), MESSAGE));
}

async function printAppends(): Promise<void> {
  const full = openLog();
  await fillLog(full, STORED);
  const medians = await mediansOf(
    [
      { name: "log", run: () => fillLog(openLog(), STORED) },
      { name: "full", run: () => fillLog(full, STORED) },
      { name: "example", run: () => fillExample(new InMemoryEventStore(), STORED) },
    ],
    { rounds: 7 },
  );
  const rate = (name: string) => medians.get(name) ?? Number.NaN;
  const row = (how: string, name: string) => [
    how,
    short(rate(name)),
    short(rate("example")),
    against(rate(name) / rate("example"), 1),
  ];
  printTable(
    `Appends a second: ${PAYLOAD.length} bytes each, ${short(STORED)} in ${short(STORED / EVENTS_PER_STREAM)} streams, medians of 7 alternating rounds`,
    ["", "log", "example store", "to example"],
    [row("into an empty store", "log"), row("log full: each append drops one", "full")],
  );
}

/** Replays whole streams of a store that holds so many events; in replays a second. */
async function replayContenders(events: number): Promise<Contender[]> {
  const log = openLog();
  const example = new InMemoryEventStore();
  // One event before the others, to come after.
  const firsts: string[] = [];
  for (let stream = 0; stream < REPLAYED_STREAMS; stream += 1) {
    firsts.push(await example.storeEvent(`stream ${stream}`, MESSAGE));
  }
  // Ids of one millisecond sort at random there: the stream starts where the clock has gone on.
  const startedAt = Date.now();
  while (Date.now() === startedAt) await Promise.resolve();
  await fillLog(log, events);
  await fillExample(example, events);
  const streamAt = (call: number) => call % REPLAYED_STREAMS;
  const check = (replayed: number | undefined) => {
    if (replayed !== EVENTS_PER_STREAM) throw new Error(`${replayed} events were replayed`);
  };
  const measure = (name: string, calls: number, replay: (stream: number) => Promise<void>): Contender => {
    let call = 0;
    return { name, run: () => callsPerSecond(calls, 1, () => replay(streamAt((call += 1)))) };
  };
  return [
    measure("log", 20_000, async (stream) => {
      check((await log.read(`stream ${stream}`, 0, EVENTS_PER_STREAM))?.entries.length);
    }),
    measure("example", Math.max(1, Math.round(30_000 / events)), async (stream) => {
      let replayed = 0;
      const send = () => {
        replayed += 1;
        return Promise.resolve();
      };
      await example.replayEventsAfter(firsts[stream] ?? "", { send });
      check(replayed);
    }),
  ];
}

async function printReplays(): Promise<void> {
  const rows: string[][] = [];
  let smallest: number | undefined;
  for (const events of CURVE) {
    const contenders = await replayContenders(events);
    // Once for nothing, so that what the compiler still learns does not make the first row slower.
    for (const contender of contenders) await contender.run();
    const medians = await mediansOf(contenders);
    const [ours = Number.NaN, theirs = Number.NaN] = [medians.get("log"), medians.get("example")];
    smallest ??= ours;
    rows.push([
      short(events),
      duration(1000 / ours),
      duration(1000 / theirs),
      events === STORED ? against(ours / theirs, 500) : times(ours / theirs),
      against(ours / smallest, 0.8),
    ]);
  }
  printTable(
    `A replay of ${EVENTS_PER_STREAM} events, medians of 5 alternating rounds`,
    ["events stored", "log", "example store", "to example", "log, to its pace at 1.0k"],
    rows,
  );
}

/** What the heap grows by, in bytes, while `fill` builds something. */
async function heapOf(fill: () => Promise<unknown>): Promise<number> {
  const before = await heapInUse();
  const kept = await fill();
  const grown = (await heapInUse()) - before;
  // Used after the measurement, so that it is not collected before.
  if (kept === undefined) throw new Error("nothing was built");
  return grown;
}

async function printHeap(): Promise<void> {
  const idleStreams = 10_000;
  const distinct = (event: number) => `${event} `.padEnd(300, "x");
  // Flattened, as a message that came from JSON.stringify is: padEnd makes a string of parts.
  const flat = (event: number) => Buffer.from(distinct(event)).toString("latin1");
  const streams = STORED / EVENTS_PER_STREAM;
  const stored = await heapOf(async () => {
    const log = openLog();
    for (let event = 0; event < STORED; event += 1) {
      await log.append(streamOf(event, streams), flat(event), RETENTION);
    }
    return log;
  });
  const example = await heapOf(async () => {
    const store = new InMemoryEventStore();
    for (let event = 0; event < STORED; event += 1) {
      await store.storeEvent(streamOf(event, streams), { ...MESSAGE, method: flat(event) });
    }
    return store;
  });
  const idle = await heapOf(async () => {
    const log = openLog();
    for (let stream = 0; stream < idleStreams; stream += 1) {
      await log.append(streamOf(stream, idleStreams), "", { ...RETENTION, maxEvents: 0 });
    }
    return log;
  });
  printTable(
    "Heap, in bytes",
    ["", "log", "example store"],
    [
      ["an event of 300 bytes", short(stored / STORED), short(example / STORED)],
      [
        "an idle stream (its events gone, its head kept)",
        short(idle / idleStreams),
        "nothing is ever let go",
      ],
    ],
  );
}

await printAppends();
await printReplays();
await printHeap();
