// Judges whether a run kept the contract, and whether its weather was bad enough.
import type { WeatherRun } from "../weather.js";
import { isCompleted, isMaybeExecuted, type Ending, type Verdict } from "../weather/judge.js";
import { timeOverIdeal } from "./run.js";
import type { Scenario } from "./scenarios.js";

function describe(ending: Ending): string {
  switch (ending.kind) {
    case "completed":
    case "hung":
      return ending.kind;
    case "wrong-result":
      return `wrong result "${ending.text}"`;
    case "typed-error":
      return `${ending.code}, maybeExecuted: ${ending.maybeExecuted}`;
    case "other-error":
      return ending.message;
  }
}

/** Why a call is not as it must be; `undefined` when it is. */
function breach(verdict: Verdict): string | undefined {
  const { arrived, duplicated, ending, executions, foreign, lost, outOfOrder } = verdict;
  // The POST was cut before a cursor: nothing had come, and nobody can tell whether the call ran.
  if (isMaybeExecuted(verdict)) {
    const isInterrupted = ending.kind === "typed-error" && ending.code === "interrupted";
    if (isInterrupted && arrived === 0 && executions <= 1) return undefined;
  } else if (isCompleted(verdict) && executions === 1 && lost + duplicated + outOfOrder + foreign === 0) {
    return undefined;
  }
  const messages = `${lost} messages lost, ${duplicated} duplicated, ${outOfOrder} out of order, ${foreign} foreign`;
  return `${verdict.key} (${describe(ending)}): ${messages}, executed ${executions} times`;
}

/** Where a run breaks what PROTOCOL.md promises of a call on a stock server; nothing when it holds. */
export function breaches({ postsMaybeUnanswered, verdicts }: WeatherRun): readonly string[] {
  const unanswered = verdicts.filter(isMaybeExecuted).length;
  return [
    ...verdicts.flatMap((verdict) => breach(verdict) ?? []),
    ...(unanswered <= postsMaybeUnanswered
      ? []
      : [
          `${unanswered} calls say maybeExecuted, but only ${postsMaybeUnanswered} POSTs may have broken early`,
        ]),
  ];
}

/** What the weather of a run lacked to be as bad as its scenario; nothing when it was. */
export function mildness({ cuts, does = [] }: Scenario, run: WeatherRun): readonly string[] {
  const numbers: readonly (readonly [string, number])[] = cuts
    ? [
        ["cut in mid-stream", run.cutsInMidStream],
        ["cut during a replay", run.cutsDuringReplay],
        ["cut before a cursor", run.cutsBeforeCursor],
      ]
    : [];
  return [
    ...numbers.flatMap(([what, count]) => (count > 0 ? [] : [`no connection was ${what}`])),
    ...does.flatMap((what) => (run.counters[what] > 0 ? [] : [`no connection was ${what}`])),
    // Where no call gets past its POST, nothing is resumed.
    ...(run.verdicts.filter(isCompleted).length * 4 > run.verdicts.length
      ? []
      : ["most calls ended before their answer began"]),
  ];
}

/** Whether a run took longer than its scenario allows. */
export function isLate({ timeLimit }: Scenario, run: WeatherRun, calmMs: number): boolean {
  return timeLimit !== undefined && timeOverIdeal(run, calmMs) > timeLimit;
}
