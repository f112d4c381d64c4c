// Puts each client through each scenario of bad weather, and prints the table.
import { performance } from "node:perf_hooks";
import { memoryStore, ResumableTransport } from "@resumable-mcp/client";
import type { WeatherRun } from "./weather.js";
import { isCompleted, isMaybeExecuted, lostUnsaid } from "./weather/judge.js";
import { markdownTable } from "./weather/table.js";
import type { ClientKind, MakeTransport } from "./torture/clients.js";
import { breaches, isLate, mildness } from "./torture/contract.js";
import type { TortureArguments } from "./torture/options.js";
import { HEADING, row } from "./torture/rows.js";
import { FULL_SIZE, timeOverIdeal, torture } from "./torture/run.js";
import { CALM, type Scenario } from "./torture/scenarios.js";

const make: MakeTransport = (url, patience) =>
  new ResumableTransport(url, { store: memoryStore(), ...patience });

const say = (line: string): void => console.error(line);

function report({ name }: Scenario, kind: ClientKind, run: WeatherRun, calmMs: number): void {
  const { elapsedMs, seed, verdicts } = run;
  const completed = `${verdicts.filter(isCompleted).length} of ${verdicts.length} completed`;
  const unanswered = `${verdicts.filter(isMaybeExecuted).length} maybeExecuted`;
  const time = `${(elapsedMs / 1000).toFixed(1)} s (${timeOverIdeal(run, calmMs).toFixed(2)} of the ideal)`;
  say(`${name}, ${kind}, seed ${seed}: ${completed}, ${unanswered}, ${lostUnsaid(verdicts)} lost, ${time}`);
}

/**
 * Puts each client through each scenario with each seed, one after the other, and prints the table.
 *
 * @returns whether ours kept the contract, in time, in weather that was as bad as it should be.
 */
export async function runTorture({ kinds, scenarios, seeds }: TortureArguments): Promise<boolean> {
  const rows: (readonly (string | number)[])[] = [];
  const complaints: string[] = [];
  const startedAt = performance.now();
  for (const kind of kinds) {
    const calm = await torture({ scenario: CALM, kind, make, seed: seeds[0] ?? 1, size: FULL_SIZE });
    const calmMs = calm.elapsedMs;
    report(CALM, kind, calm, calmMs);
    rows.push(row(CALM.name, kind, [calm], calmMs));
    if (kind === "ours") complaints.push(...breaches(calm).map((text) => `calm: ${text}`));
    for (const scenario of scenarios) {
      const runs: WeatherRun[] = [];
      for (const seed of seeds) {
        const run = await torture({ scenario, kind, make, seed, size: FULL_SIZE });
        runs.push(run);
        report(scenario, kind, run, calmMs);
        const about = (text: string): string => `${scenario.name}, ${kind}, seed ${seed}: ${text}`;
        if (kind !== "ours") continue;
        complaints.push(...[...breaches(run), ...mildness(scenario, run)].map(about));
        if (isLate(scenario, run, calmMs)) {
          const ratio = timeOverIdeal(run, calmMs).toFixed(2);
          complaints.push(about(`took ${ratio} times the ideal, more than ${scenario.timeLimit ?? ""}`));
        }
      }
      rows.push(row(scenario.name, kind, runs, calmMs));
    }
  }
  console.log(`\n${markdownTable([HEADING, ...rows])}\n`);
  for (const { description, name, patience } of [CALM, ...scenarios]) {
    const waits =
      patience === undefined ? "" : `; ours waits ${patience.silenceMs} ms for a silent connection`;
    console.log(`${name}: ${description}${waits}`);
  }
  console.log(`${((performance.now() - startedAt) / 1000).toFixed(0)} s in all.`);
  for (const complaint of complaints) console.error(`Missed: ${complaint}`);
  return complaints.length === 0;
}
