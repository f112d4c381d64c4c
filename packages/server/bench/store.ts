// Measures what the event store costs on top of the memory log: appends and replays through a session's store.
import { type EventLog, EventStore, memoryLog } from "@resumable-mcp/server";
import { callsPerSecond, type Contender, mediansOf } from "./support/rounds.js";
import { duration, printTable, short, times } from "./support/table.js";

const APPENDS = 50_000;
const REPLAYS = 2_000;
const EVENTS = 100;
const IN_FLIGHT = 64;
const ROUNDS = 7;

const MESSAGE = {
  jsonrpc: "2.0",
  method: "notifications/progress",
  params: { progressToken: 1, progress: 1, total: 100, message: "x".repeat(200) },
} as const;
const PAYLOAD = JSON.stringify(MESSAGE);
const RETENTION = { maxEvents: EVENTS, maxBytes: null, ttlMs: 3_600_000, headTtlMs: 86_400_000 };

interface Way {
  readonly how: string;
  readonly inFlight: number;
  /** The stream, or the session, of a worker. */
  readonly streamOf: (worker: number) => string;
  readonly sessionOf: (worker: number) => string;
}

const ways: readonly Way[] = [
  { how: "one at a time", inFlight: 1, streamOf: () => "stream", sessionOf: () => "session" },
  {
    how: `${IN_FLIGHT} at a time, one stream`,
    inFlight: IN_FLIGHT,
    streamOf: () => "stream",
    sessionOf: () => "session",
  },
  {
    how: `${IN_FLIGHT} at a time, a stream each`,
    inFlight: IN_FLIGHT,
    streamOf: (worker) => `stream ${worker}`,
    sessionOf: () => "session",
  },
  {
    how: `${IN_FLIGHT} at a time, a session each`,
    inFlight: IN_FLIGHT,
    streamOf: () => "stream",
    sessionOf: (worker) => `session ${worker}`,
  },
];

function appendsToStore({ how, inFlight, streamOf, sessionOf }: Way): Contender {
  return {
    name: `store, ${how}`,
    run: () => {
      const store = new EventStore();
      return appendsPerSecond(inFlight, (worker) => {
        const session = store.forSession(sessionOf(worker));
        const stream = streamOf(worker);
        return () => session.storeEvent(stream, MESSAGE);
      });
    },
  };
}

function appendsToLog({ how, inFlight, streamOf, sessionOf }: Way): Contender {
  return {
    name: `log, ${how}`,
    run: () => {
      const log = memoryLog();
      return appendsPerSecond(inFlight, (worker) => {
        const name = `${sessionOf(worker)}:${streamOf(worker)}`;
        return () => log.append(name, PAYLOAD, RETENTION);
      });
    },
  };
}

function appendsPerSecond(inFlight: number, appendOf: (worker: number) => () => Promise<unknown>) {
  const appends = Array.from({ length: inFlight }, (_, worker) => appendOf(worker));
  return callsPerSecond(APPENDS, inFlight, (worker) => appends[worker]?.() ?? Promise.resolve());
}

async function printAppends(): Promise<void> {
  const contenders = ways.flatMap((way) => [appendsToStore(way), appendsToLog(way)]);
  // Once for nothing, so that what the compiler still learns does not make the first row slower.
  for (const contender of contenders) await contender.run();
  const medians = await mediansOf(contenders, { rounds: ROUNDS });
  const paceOf = (name: string) => medians.get(name) ?? Number.NaN;
  printTable(
    `Appends a second of ${PAYLOAD.length} bytes each, medians of ${ROUNDS} alternating rounds`,
    ["", "session store", "memory log, JSON ready", "store to log"],
    ways.map(({ how }) => [
      how,
      short(paceOf(`store, ${how}`)),
      short(paceOf(`log, ${how}`)),
      times(paceOf(`store, ${how}`) / paceOf(`log, ${how}`)),
    ]),
  );
}

async function printReplays(): Promise<void> {
  const log: EventLog = memoryLog();
  const session = new EventStore({ storage: log }).forSession("session");
  const cursor = await session.storeEvent("stream", {});
  for (let event = 1; event < EVENTS; event += 1) await session.storeEvent("stream", MESSAGE);
  let sent = 0;
  const contenders: readonly Contender[] = [
    {
      name: "store",
      run: () => callsPerSecond(REPLAYS, 1, () => session.replay(cursor, () => void (sent += 1))),
    },
    {
      name: "log",
      run: () => callsPerSecond(REPLAYS, 1, () => log.read("s:session:stream", 1, EVENTS)),
    },
  ];
  for (const contender of contenders) await contender.run();
  const medians = await mediansOf(contenders, { rounds: ROUNDS });
  if (sent !== (ROUNDS + 1) * REPLAYS * (EVENTS - 1)) throw new Error(`${sent} messages were replayed`);
  const msOf = (name: string) => 1000 / (medians.get(name) ?? Number.NaN);
  printTable(
    `A replay of ${EVENTS - 1} messages, medians of ${ROUNDS} alternating rounds`,
    ["", "time", "for each message"],
    [
      ["session store, parsed and sent", duration(msOf("store")), duration(msOf("store") / (EVENTS - 1))],
      ["a read of the memory log", duration(msOf("log")), duration(msOf("log") / (EVENTS - 1))],
    ],
  );
}

await printAppends();
await printReplays();
