import { afterAll, describe, expect, it } from "vitest";
import { median } from "../../../server/bench/support/rounds.js";
import { memoryStore, ResumableTransport } from "../../src/index.js";
import {
  CLIENT_KINDS,
  type ClientKind,
  type MakeTransport,
} from "../../../../test-support/torture/clients.js";
import { breaches, mildness } from "../../../../test-support/torture/contract.js";
import { HEADING, row } from "../../../../test-support/torture/rows.js";
import {
  FULL_SIZE,
  LIMIT_MS,
  type Size,
  timeOverIdeal,
  torture,
} from "../../../../test-support/torture/run.js";
import { CALM, SCENARIOS, type Scenario } from "../../../../test-support/torture/scenarios.js";
import { repetitions } from "../../../../test-support/repetitions.js";
import { isCompleted, lostUnsaid } from "../../../../test-support/weather/judge.js";
import { table } from "../../../../test-support/weather/table.js";
import type { WeatherRun } from "../../../../test-support/weather.js";

const make: MakeTransport = (url, patience) =>
  new ResumableTransport(url, { store: memoryStore(), ...patience });

/** The SDKs' clients as they are. */
const SHIPPED = new Set<ClientKind | undefined>(["sdk1", "sdk2"]);

const SMALL_SIZE: Size = { calls: 10, messages: 60, intervalMs: 30 };

const isFull = repetitions({ full: 1, scaled: 0 }) === 1;
/** Odd seeds run under SDK 1.x, even ones under 2.x. So many together as two cores can run in time. */
const BATCHES = isFull
  ? [
      [1, 2, 3],
      [4, 5, 6],
      [7, 8],
      [9, 10],
    ]
  : [[2]];
const SIZE = isFull ? FULL_SIZE : SMALL_SIZE;
/** So that a call that hangs is named. */
const TIMEOUT_MS = BATCHES.length * LIMIT_MS + 20_000;
/** How long the SDKs' own clients may take, in milliseconds: most of it goes in waiting for what never comes. */
const SDK_LIMIT_MS = 20_000;

/** What a run takes at least. */
const leastMs = ({ intervalMs, messages }: Size): number => (messages + 1) * intervalMs;

const run = (
  scenario: Scenario,
  kind: ClientKind,
  seed: number,
  size: Size,
  limitMs?: number,
): Promise<WeatherRun> => torture({ scenario, kind, make, seed, size, limitMs });

async function runAll(scenario: Scenario): Promise<readonly WeatherRun[]> {
  const runs: WeatherRun[] = [];
  for (const seeds of BATCHES)
    runs.push(...(await Promise.all(seeds.map((seed) => run(scenario, "ours", seed, SIZE)))));
  return runs;
}

describe(`${SIZE.calls} calls together, of ${SIZE.messages} messages each`, () => {
  const rows: ReturnType<typeof row>[] = [];
  const done: WeatherRun[] = [];

  afterAll(() => console.log(table([HEADING, ...rows])));

  let calmMs = leastMs(SIZE);

  it("arrive on a calm network", async () => {
    const seeds = BATCHES[0] ?? [];
    const runs = await Promise.all(seeds.map((seed) => run(CALM, "ours", seed, SIZE)));
    for (const calm of runs) {
      expect(breaches(calm)).toEqual([]);
      expect(calm.counters).toMatchObject({ cut: 0, silenced: 0, answered: 0, refused: 0 });
    }
    calmMs = median(runs.map(({ elapsedMs }) => elapsedMs));
  });

  it.each(SCENARIOS)(
    "arrive once and in order, or say that they broke at once: $name",
    async (scenario) => {
      const runs = await runAll(scenario);
      rows.push(row(scenario.name, "ours", runs, calmMs));
      done.push(...runs);
      for (const result of runs) {
        expect(breaches(result), `seed ${result.seed}`).toEqual([]);
        // A short run may by chance be spared one kind of cut.
        if (isFull) expect(mildness(scenario, result), `seed ${result.seed}`).toEqual([]);
      }
      // Over the calm runs, made in the same way: half of the seeds, so that no hiccup of the machine decides.
      const ratio = median(runs.map((result) => timeOverIdeal(result, calmMs)));
      if (isFull) expect(ratio).toBeLessThanOrEqual(scenario.timeLimit ?? Infinity);
    },
    TIMEOUT_MS,
  );

  it("had connections cut in mid-stream, during a replay and before a cursor", () => {
    const total = (of: (result: WeatherRun) => number): number =>
      done.reduce((all, result) => all + of(result), 0);
    expect(total((result) => result.cutsInMidStream)).toBeGreaterThan(50);
    expect(total((result) => result.cutsDuringReplay)).toBeGreaterThan(10);
    expect(total((result) => result.cutsBeforeCursor)).toBeGreaterThan(2);
    expect(total((result) => result.verdicts.filter(isCompleted).length)).toBeGreaterThan(40);
  });
});

if (isFull)
  describe("the same weather is bad enough for the SDKs' own clients to lose messages", () => {
    const kinds = CLIENT_KINDS.filter((kind) => kind !== "ours");

    it.each(SCENARIOS)(
      "$name",
      async (scenario) => {
        const runs = await Promise.all(kinds.map((kind) => run(scenario, kind, 1, SMALL_SIZE, SDK_LIMIT_MS)));
        console.log(
          table([
            HEADING,
            ...runs.map((result, index) =>
              row(scenario.name, kinds[index] ?? "", [result], leastMs(SMALL_SIZE)),
            ),
          ]),
        );
        for (const [index, { verdicts }] of runs.entries())
          if (SHIPPED.has(kinds[index])) expect(lostUnsaid(verdicts), kinds[index]).toBeGreaterThan(0);
      },
      TIMEOUT_MS,
    );
  });
