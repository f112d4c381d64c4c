// Sums the runs of one client in one scenario up as a row of the table.
import type { WeatherRun } from "../weather.js";
import { isCompleted, isMaybeExecuted, lostUnsaid, sum } from "../weather/judge.js";
import { timeOverIdeal } from "./run.js";

export const HEADING = [
  "scenario",
  "client",
  "seeds",
  "completed",
  "maybeExecuted",
  "lost",
  "duplicated",
  "out of order",
  "executions per call",
  "cut in mid-stream, replay, before a cursor",
  "time over the ideal: mean, worst",
] as const;

const total = (numbers: readonly number[]): number => numbers.reduce((all, number) => all + number, 0);

/** The lowest and the highest of them. */
function span(numbers: readonly number[]): string {
  const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
  return low === high ? `${low}` : `${low} to ${high}`;
}

/** What the runs of one client in one scenario came to, all seeds together. */
export function row(
  scenario: string,
  client: string,
  runs: readonly WeatherRun[],
  calmMs: number,
): readonly (string | number)[] {
  const verdicts = runs.flatMap((run) => run.verdicts);
  const unsaid = verdicts.filter((verdict) => !isMaybeExecuted(verdict));
  const times = runs.map((run) => timeOverIdeal(run, calmMs));
  const cuts = [
    runs.map((run) => run.cutsInMidStream),
    runs.map((run) => run.cutsDuringReplay),
    runs.map((run) => run.cutsBeforeCursor),
  ];
  return [
    scenario,
    client,
    runs.length,
    `${verdicts.filter(isCompleted).length} of ${verdicts.length}`,
    verdicts.length - unsaid.length,
    lostUnsaid(verdicts),
    sum(verdicts, "duplicated"),
    sum(verdicts, "outOfOrder"),
    span(unsaid.map(({ executions }) => executions)),
    cuts.map(total).join(", "),
    `${(total(times) / times.length).toFixed(2)}, ${Math.max(...times).toFixed(2)}`,
  ];
}
