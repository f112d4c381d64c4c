// Lists the scenarios of bad weather that clients are put through.
import type { Counters, Fault, Weather } from "@resumable-mcp/testing/fault-proxy";

/** How long our transport waits for a connection that says nothing, in milliseconds. */
export interface Patience {
  readonly silenceMs: number;
  readonly answerTimeoutMs: number;
}

/** One kind of bad weather. */
export interface Scenario {
  readonly name: string;
  /** What goes wrong, in one line. */
  readonly description: string;
  readonly weather: Weather;
  /** Whether connections are cut: then each seed must see cuts in mid-stream, during a replay and before a cursor. */
  readonly cuts: boolean;
  /** What else the proxy must have done in each run. @defaultValue nothing */
  readonly does?: readonly (keyof Counters)[];
  /** The most that a run may take, as a multiple of the ideal. Left out: as long as it likes. */
  readonly timeLimit?: number;
  /** Left out: the defaults. */
  readonly patience?: Patience;
}

/** A network of its own, on which a replay takes time: on loopback it would be over before it could be cut. */
const NETWORK: Weather = [
  { kind: "latency", ms: 30, jitterMs: 10 },
  { kind: "trickle", bytesPerSecond: 50_000 },
];

/** Inside the head of the answer to a call, before an event id could come. */
const BEFORE_A_CURSOR: Fault = { kind: "cuts", on: ["post"], every: 7, afterBytes: { min: 0, max: 250 } };

/** Inside the head or the first events of a resumed stream. */
const DURING_A_REPLAY: Fault = { kind: "cuts", on: ["resume"], every: 4, afterBytes: { min: 50, max: 400 } };

const CUTS: Weather = [BEFORE_A_CURSOR, DURING_A_REPLAY];

/** The network that the ideal is measured on. */
export const CALM: Scenario = {
  name: "calm",
  description: "a network of 30 ms each way and 50 kB/s for each connection, which every scenario has",
  weather: NETWORK,
  cuts: false,
};

/** What a client is put through. */
export const SCENARIOS: readonly Scenario[] = [
  {
    name: "kills",
    description: "each connection reset at random, after 1.2 s on average",
    weather: [...NETWORK, ...CUTS, { kind: "lifetimes", meanMs: 1200 }],
    cuts: true,
    timeLimit: 1.25,
  },
  {
    name: "cuts",
    description: "each connection reset after 200 to 2500 bytes",
    weather: [...NETWORK, BEFORE_A_CURSOR, { kind: "cuts", afterBytes: { min: 200, max: 2500 } }],
    cuts: true,
    timeLimit: 1.5,
  },
  {
    name: "outages",
    description: "no network for 0.7 s of every 1.5 s",
    weather: [...NETWORK, ...CUTS, { kind: "outages", everyMs: 1500, lastingMs: 700 }],
    cuts: true,
    does: ["refused"],
    timeLimit: 1.25,
  },
  {
    name: "silence",
    description:
      "30 % of the connections go silent for ever, a tenth of the resumes at once, the rest reset after 6 s on average",
    weather: [
      ...NETWORK,
      ...CUTS,
      { kind: "lifetimes", meanMs: 6000 },
      { kind: "silence", share: 0.3, afterBytes: { min: 700, max: 8000 } },
      { kind: "silence", share: 0.1, on: ["resume"] },
    ],
    cuts: true,
    does: ["silenced"],
    patience: { silenceMs: 1000, answerTimeoutMs: 1000 },
  },
  {
    name: "mixed",
    description: "kills, cuts, outages, silence, refused and closed connections, 503s",
    weather: [
      ...NETWORK,
      ...CUTS,
      { kind: "lifetimes", meanMs: 4000 },
      { kind: "cuts", share: 0.2, afterBytes: { min: 200, max: 2500 } },
      { kind: "outages", everyMs: 3000, lastingMs: 600 },
      { kind: "silence", share: 0.05, afterBytes: { min: 700, max: 4000 } },
      { kind: "accept-and-close", share: 0.1 },
      { kind: "unavailable", share: 0.1, on: ["resume"] },
    ],
    cuts: true,
    does: ["refused", "answered"],
    timeLimit: 1.5,
    patience: { silenceMs: 1000, answerTimeoutMs: 1000 },
  },
  {
    name: "accept-and-close",
    description: "20 % of the new connections closed as soon as accepted, the rest reset as in kills",
    weather: [
      ...NETWORK,
      ...CUTS,
      { kind: "accept-and-close", share: 0.2 },
      { kind: "lifetimes", meanMs: 1200 },
    ],
    cuts: true,
    does: ["refused"],
    timeLimit: 1.25,
  },
  {
    name: "storms",
    description: "everything reset, and 503 to every request, for 0.7 s of every 2 s",
    weather: [...NETWORK, ...CUTS, { kind: "storms", everyMs: 2000, lastingMs: 700 }],
    cuts: true,
    does: ["answered"],
    timeLimit: 1.25,
  },
  {
    name: "trickle",
    description: "6 kB/s for each connection, events in two or three pieces; each reset after 6 s on average",
    weather: [
      ...NETWORK,
      ...CUTS,
      { kind: "lifetimes", meanMs: 6000 },
      { kind: "trickle", bytesPerSecond: 6000 },
    ],
    cuts: true,
    timeLimit: 1.25,
  },
];
