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

function check(replayed: number | undefined): void {
  if (replayed !== EVENTS_PER_STREAM) throw new Error(`${replayed} events were replayed`);
}

/** Replays whole streams, in replays a second. */
function replays(name: string, calls: number, replay: (stream: number) => Promise<void>): Contender {
  let call = 0;
  return { name, run: () => callsPerSecond(calls, 1, () => replay((call += 1) % REPLAYED_STREAMS)) };
}

/** Of a log that holds so many events. */
async function logReplays(events: number): Promise<Contender> {
  const log = openLog();
  await fillLog(log, events);
  return replays(`log ${events}`, 20_000, async (stream) => {
    check((await log.read(`stream ${stream}`, 0, EVENTS_PER_STREAM))?.entries.length);
  });
}

/** Of an example store that holds so many events. */
async function exampleReplays(events: number): Promise<Contender> {
  const example = new InMemoryEventStore();
  // One event before the others, to come after.
  const firsts: string[] = [];
  for (let stream = 0; stream < REPLAYED_STREAMS; stream += 1) {
    firsts.push(await example.storeEvent(`stream ${stream}`, MESSAGE));
  }
  // Ids of one millisecond sort at random there: the stream starts where the clock has gone on.
  const startedAt = Date.now();
  while (Date.now() === startedAt) await Promise.resolve();
  await fillExample(example, events);
  return replays(`example ${events}`, Math.max(1, Math.round(30_000 / events)), async (stream) => {
    let replayed = 0;
    const send = () => {
      replayed += 1;
      return Promise.resolve();
    };
    await example.replayEventsAfter(firsts[stream] ?? "", { send });
    check(replayed);
  });
}

/** Once for nothing before it counts, so that what the compiler still learns does not make the first row slower. */
async function warmMediansOf(contenders: readonly Contender[], rounds: number) {
  for (const contender of contenders) await contender.run();
  return mediansOf(contenders, { rounds });
}

async function printReplays(): Promise<void> {
  // The curve by itself, before the other store's garbage is there to be collected meanwhile.
  const logs: Contender[] = [];
  for (const events of CURVE) logs.push(await logReplays(events));
  const curve = await warmMediansOf(logs, 9);
  const paceOf = (events: number | undefined) => curve.get(`log ${events}`) ?? Number.NaN;
  const rows: string[][] = [];
  for (const [place, events] of CURVE.entries()) {
    const pair = [...logs.slice(place, place + 1), await exampleReplays(events)];
    const medians = await warmMediansOf(pair, 5);
    const [ours = Number.NaN, theirs = Number.NaN] = [...medians.values()];
    rows.push([
      short(events),
      duration(1000 / paceOf(events)),
      place === 0 ? times(1) : against(paceOf(events) / paceOf(CURVE[0]), 0.8),
      duration(1000 / theirs),
      events === STORED ? against(ours / theirs, 500) : times(ours / theirs),
    ]);
  }
  printTable(
    `A replay of ${EVENTS_PER_STREAM} events, medians of 9 alternating rounds, of 5 beside the example store`,
    ["events stored", "log", "its pace to that at 1.0k", "example store", "log to it, by turns"],
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
