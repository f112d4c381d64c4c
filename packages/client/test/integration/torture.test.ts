import { afterAll, describe, expect, it } from "vitest";
import { memoryStore, ResumableTransport } from "../../src/index.js";
import {
  CLIENT_KINDS,
  type ClientKind,
  type MakeTransport,
} from "../../../../test-support/torture/clients.js";
import { breaches, mildness } from "../../../../test-support/torture/contract.js";
import { HEADING, row } from "../../../../test-support/torture/rows.js";
import { FULL_SIZE, LIMIT_MS, type Size, torture } from "../../../../test-support/torture/run.js";
import { CALM, SCENARIOS, type Scenario } from "../../../../test-support/torture/scenarios.js";
import { repetitions } from "../../../../test-support/repetitions.js";
import { isCompleted, lostUnsaid } from "../../../../test-support/weather/judge.js";
import { table } from "../../../../test-support/weather/table.js";
import type { WeatherRun } from "../../../../test-support/weather.js";

const make: MakeTransport = (url, patience) =>
  new ResumableTransport(url, { store: memoryStore(), ...patience });

const SMALL_SIZE: Size = { calls: 10, messages: 60, intervalMs: 30 };

const isFull = repetitions({ full: 1, scaled: 0 }) === 1;
/** So that a call that hangs is named. */
const TIMEOUT_MS = LIMIT_MS + 20_000;
/** Odd seeds run under SDK 1.x, even ones under 2.x. */
const SEEDS = isFull ? [1, 2] : [2];
const SIZE = isFull ? FULL_SIZE : SMALL_SIZE;

/** What a run takes at least. */
const calmMs = ({ intervalMs, messages }: Size): number => (messages + 1) * intervalMs;

const run = (scenario: Scenario, kind: ClientKind, seed: number, size: Size): Promise<WeatherRun> =>
  torture({ scenario, kind, make, seed, size });

describe(`${SIZE.calls} calls together, of ${SIZE.messages} messages each`, () => {
  const rows: ReturnType<typeof row>[] = [];
  const done: WeatherRun[] = [];

  afterAll(() => console.log(table([HEADING, ...rows])));

  it("arrive on a calm network", async () => {
    const calm = await run(CALM, "ours", 1, SIZE);
    expect(breaches(calm)).toEqual([]);
    expect(calm.counters).toMatchObject({ cut: 0, silenced: 0, answered: 0, refused: 0 });
  });

  it.each(SCENARIOS)(
    "arrive once and in order, or say that they broke at once: $name",
    async (scenario) => {
      const runs = await Promise.all(SEEDS.map((seed) => run(scenario, "ours", seed, SIZE)));
      rows.push(row(scenario.name, "ours", runs, calmMs(SIZE)));
      done.push(...runs);
      for (const result of runs) {
        expect(breaches(result), `seed ${result.seed}`).toEqual([]);
        // A short run may by chance be spared one kind of cut.
        if (isFull) expect(mildness(scenario, result), `seed ${result.seed}`).toEqual([]);
      }
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

// Most of their time goes in waiting for what never comes.
if (isFull)
  describe("the same weather is bad enough for the SDKs' own clients to lose messages", () => {
    const kinds = CLIENT_KINDS.filter((kind) => kind !== "ours");
    /** What tells a client that gives up from one that goes on. */
    const scenarios = SCENARIOS.filter(({ name }) =>
      ["kills", "cuts", "outages", "silence", "mixed"].includes(name),
    );

    it.each(scenarios)(
      "$name",
      async (scenario) => {
        const runs = await Promise.all(kinds.map((kind) => run(scenario, kind, 1, SMALL_SIZE)));
        console.log(
          table([
            HEADING,
            ...runs.map((result, index) =>
              row(scenario.name, kinds[index] ?? "", [result], calmMs(SMALL_SIZE)),
            ),
          ]),
        );
        const [shipped] = runs;
        expect(lostUnsaid(shipped?.verdicts ?? [])).toBeGreaterThan(0);
      },
      TIMEOUT_MS,
    );
  });
