import { EventStore } from "@resumable-mcp/server";
import type { Weather } from "@resumable-mcp/testing/fault-proxy";
import { afterAll, describe, expect, it } from "vitest";
import { memoryStore, NO_TIMEOUT, ResumableTransport } from "../../src/index.js";
import { repetitions } from "../../../../test-support/repetitions.js";
import type { SdkVersion } from "../../../../test-support/sdk-servers.js";
import {
  connectV1,
  connectV2,
  sdkClientV1,
  type WeatherClient,
} from "../../../../test-support/weather/clients.js";
import { breaches } from "../../../../test-support/torture/contract.js";
import { isCompleted, isMaybeExecuted, lostUnsaid, sum } from "../../../../test-support/weather/judge.js";
import { table } from "../../../../test-support/weather/table.js";
import { runWeather, type WeatherRun } from "../../../../test-support/weather.js";

/**
 * Connections killed at random, on a network that is slow enough for a replay to take time: what was on its way when
 * a connection died comes again, and takes about 100 ms to come. Resumed connections die younger, so that replays are
 * hit; first ones live longer, so that few calls end before they have a cursor. Each fourth resume is cut within its
 * first events, since chance alone may spare all replays where the machine is slow and replays are short.
 */
const KILLS: Weather = [
  { kind: "latency", ms: 30, jitterMs: 10 },
  { kind: "trickle", bytesPerSecond: 18_000 },
  { kind: "lifetimes", meanMs: 2500, on: ["post", "get", "other"] },
  { kind: "lifetimes", meanMs: 500, on: ["resume"] },
  { kind: "cuts", on: ["resume"], every: 4, afterBytes: { min: 50, max: 400 } },
];

const SEEDS = Array.from({ length: repetitions({ full: 10, scaled: 1 }) }, (_, index) => index + 1);

/** The SDK's runs take six times as long, most of it in waiting for what never comes. */
const SDK_SEEDS = SEEDS.slice(0, repetitions({ full: 10, scaled: 1 }));

/** The SDK's clients never settle a call that they have lost: this long after its latest message it has failed. */
const SDK_TIMEOUT_MS = 6000;

type Connect = (url: string) => Promise<WeatherClient>;

const ours: Connect = (url) => connectV1(new ResumableTransport(url, { store: memoryStore() }), NO_TIMEOUT);
const oursV2: Connect = (url) => connectV2(new ResumableTransport(url, { store: memoryStore() }), NO_TIMEOUT);

interface Size {
  readonly calls: number;
  readonly messages: number;
  readonly intervalMs: number;
}

function run(sdk: SdkVersion, connect: Connect, seed: number, size: Size): Promise<WeatherRun> {
  const store = new EventStore({ maxEventsPerStream: 1000 });
  const eventStoreFor = (sessionId: string) => store.forSession(sessionId);
  return runWeather({ sdk, eventStoreFor, connect, seed, weather: KILLS, limitMs: 50_000, ...size });
}

function row(client: string, { seed, verdicts, cutsInMidStream, cutsDuringReplay, elapsedMs }: WeatherRun) {
  return [
    client,
    seed,
    `${verdicts.filter(isCompleted).length} of ${verdicts.length}`,
    verdicts.filter(isMaybeExecuted).length,
    lostUnsaid(verdicts),
    sum(verdicts, "duplicated"),
    sum(verdicts, "outOfOrder"),
    cutsInMidStream,
    cutsDuringReplay,
    (elapsedMs / 1000).toFixed(1),
  ];
}

const HEADING = [
  "client",
  "seed",
  "completed",
  "says maybe executed",
  "messages lost",
  "twice",
  "out of order",
  "cut in mid-stream",
  "cut during a replay",
  "seconds",
];

describe("20 calls of 200 messages while connections are killed at random", () => {
  const size: Size = { calls: 20, messages: 200, intervalMs: 20 };
  const rows: ReturnType<typeof row>[] = [];

  afterAll(() => {
    console.log(`${size.calls} calls of ${size.messages} messages\n${table([HEADING, ...rows])}`);
  });

  it.each(SEEDS)("lose nothing with our transport, seed %i", async (seed) => {
    const result = await run("1.32", ours, seed, size);
    rows.push(row("ours", result));
    expect(breaches(result), `seed ${seed}`).toEqual([]);
    // The weather was as bad as it should be, and not so bad that most calls ended before they had begun.
    expect(result.cutsInMidStream, `seed ${seed}`).toBeGreaterThanOrEqual(20);
    expect(result.cutsDuringReplay, `seed ${seed}`).toBeGreaterThanOrEqual(3);
    expect(result.verdicts.filter(isCompleted).length, `seed ${seed}`).toBeGreaterThanOrEqual(10);
  });

  it.each(SDK_SEEDS)("lose messages with the SDK's own client, seed %i", async (seed) => {
    const [shipped, told] = await Promise.all([
      run("1.32", (url) => sdkClientV1(url, SDK_TIMEOUT_MS), seed, size),
      run("1.32", (url) => sdkClientV1(url, SDK_TIMEOUT_MS, 1000), seed, size),
    ]);
    rows.push(row("SDK 1.x as shipped", shipped), row("SDK 1.x, 1000 retries", told));
    // Were nothing lost here, the judge or the weather would be too mild.
    expect(lostUnsaid(shipped.verdicts), `seed ${seed}`).toBeGreaterThan(0);
  });
});

describe("calls while connections are killed at random lose nothing with our transport", () => {
  const size: Size = { calls: 20, messages: 100, intervalMs: 15 };

  it.each<[SdkVersion, string, Connect]>([
    ["1.30", "1.x", ours],
    ["1.32", "2.x", oursV2],
    ["2.0", "2.x", oursV2],
    ["2.4", "1.x", ours],
    ["2.4", "2.x", oursV2],
  ])("from a server of SDK %s to a client of SDK %s", async (sdk, _client, connect) => {
    const result = await run(sdk, connect, 1, size);
    expect(breaches(result)).toEqual([]);
    expect(result.cutsInMidStream).toBeGreaterThanOrEqual(5);
    expect(result.cutsDuringReplay).toBeGreaterThanOrEqual(1);
  });
});
