import { describe, expect, it } from "vitest";
import { breaches, isLate, mildness } from "../../../../test-support/torture/contract.js";
import { readTortureArguments } from "../../../../test-support/torture/options.js";
import { row } from "../../../../test-support/torture/rows.js";
import { type Scenario, SCENARIOS } from "../../../../test-support/torture/scenarios.js";
import type { Verdict } from "../../../../test-support/weather/judge.js";
import type { WeatherRun } from "../../../../test-support/weather.js";

describe("the arguments of the torture command", () => {
  it("are ten seeds, every scenario and every client unless told otherwise", () => {
    const { kinds, scenarios, seeds } = readTortureArguments([])!;
    expect(seeds).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(scenarios).toEqual(SCENARIOS);
    expect(kinds).toEqual(["ours", "sdk1", "sdk1-retry", "sdk2", "sdk2-retry"]);
  });

  it("choose seeds, scenarios and clients, by lists and by repetition", () => {
    const args = ["--seeds", "2", "--scenario", "cuts,kills", "--client=ours", "--client", "sdk1"];
    const { kinds, scenarios, seeds } = readTortureArguments(args)!;
    expect([seeds, scenarios.map(({ name }) => name), kinds]).toEqual([
      [1, 2],
      ["cuts", "kills"],
      ["ours", "sdk1"],
    ]);
    expect(readTortureArguments(["--seed", "7"])?.seeds).toEqual([7]);
    expect(readTortureArguments(["--help"])).toBeUndefined();
  });

  it.each([
    [["--seeds", "0"], '--seeds must be a whole number from 1 to 1000, not "0"'],
    [["--seeds", "1.5"], 'not "1.5"'],
    [["--seeds", ""], 'not ""'],
    [["--seed", "1001"], '--seed must be a whole number from 1 to 1000, not "1001"'],
    [["--seed", "1", "--seeds", "1"], "exclude one another"],
    [["--scenario", "kills,drizzle"], 'not "drizzle"'],
    [["--scenario", ""], "--scenario must be of kills, cuts"],
    [["--client", "curl"], '--client must be of ours, sdk1, sdk1-retry, sdk2, sdk2-retry, not "curl"'],
    [["--sedes", "3"], "--sedes"],
    [["kills"], "kills"],
  ])("are refused with what is allowed: %j", (args, message) => {
    expect(() => readTortureArguments(args)).toThrow(message);
  });
});

const completed: Verdict = {
  key: "call-0",
  ending: { kind: "completed" },
  arrived: 200,
  lost: 0,
  duplicated: 0,
  outOfOrder: 0,
  foreign: 0,
  executions: 1,
};
const unanswered: Verdict = {
  ...completed,
  ending: { kind: "typed-error", code: "interrupted", maybeExecuted: true },
  arrived: 0,
  lost: 200,
};
const runOf = (verdicts: readonly Verdict[], more: Partial<WeatherRun> = {}): WeatherRun => ({
  seed: 1,
  verdicts,
  cutsInMidStream: 1,
  cutsDuringReplay: 1,
  cutsBeforeCursor: 1,
  postsMaybeUnanswered: 1,
  counters: {
    opened: 0,
    request: 0,
    cut: 0,
    cutInMidStream: 0,
    cutOnResume: 0,
    silenced: 0,
    answered: 0,
    refused: 0,
    unreachable: 0,
  },
  elapsedMs: 12_000,
  refusedMs: 2000,
  ...more,
});

describe("the judgement of the torture command", () => {
  it("finds nothing in calls that completed, or broke before their answer began", () => {
    expect(breaches(runOf([completed, unanswered]))).toEqual([]);
    expect(breaches(runOf([completed, { ...unanswered, executions: 0 }]))).toEqual([]);
  });

  it.each<[string, Verdict]>([
    ["1 messages lost", { ...completed, lost: 1 }],
    ["1 duplicated", { ...completed, duplicated: 1 }],
    ["1 out of order", { ...completed, outOfOrder: 1 }],
    ["1 foreign", { ...completed, foreign: 1 }],
    ["executed 2 times", { ...completed, executions: 2 }],
    ["executed 0 times", { ...completed, executions: 0 }],
    ["hung", { ...completed, ending: { kind: "hung" } }],
    [
      "cursor-lost",
      { ...completed, ending: { kind: "typed-error", code: "cursor-lost", maybeExecuted: true } },
    ],
    ["interrupted", { ...unanswered, arrived: 3 }],
    ["executed 2 times", { ...unanswered, executions: 2 }],
  ])("names a call that breaks the contract: %s", (what, verdict) => {
    expect(breaches(runOf([completed, verdict]))).toEqual([expect.stringContaining(what)]);
  });

  it("does not take more calls for unanswered than POSTs can have been", () => {
    expect(breaches(runOf([unanswered, unanswered]))).toEqual([expect.stringContaining("only 1 POSTs")]);
  });

  it("says what bad weather was missing", () => {
    const scenario: Scenario = { name: "test", description: "", weather: [], cuts: true, does: ["refused"] };
    const none = { cutsInMidStream: 0, cutsDuringReplay: 0, cutsBeforeCursor: 0 };
    expect(mildness(scenario, runOf([completed, unanswered, unanswered, unanswered], none))).toEqual([
      "no connection was cut in mid-stream",
      "no connection was cut during a replay",
      "no connection was cut before a cursor",
      "no connection was refused",
      "most calls ended before their answer began",
    ]);
    expect(mildness({ ...scenario, cuts: false, does: [] }, runOf([completed], none))).toEqual([]);
  });

  it("counts the time in which nothing got through into the ideal", () => {
    const apart: Scenario = { name: "test", description: "", weather: [], cuts: false };
    const scenario = (timeLimit: number): Scenario => ({ ...apart, timeLimit });
    expect(isLate(scenario(1.25), runOf([completed]), 8000)).toBe(false);
    expect(isLate(scenario(1.19), runOf([completed]), 8000)).toBe(true);
    expect(isLate(apart, runOf([completed]), 8000)).toBe(false);
  });

  it("sums a row up over the seeds, apart from the calls that say that they broke", () => {
    const runs = [runOf([completed, unanswered]), runOf([{ ...completed, duplicated: 2, executions: 2 }])];
    expect(row("kills", "ours", runs, 10_000)).toEqual([
      "kills",
      "ours",
      2,
      "2 of 3",
      1,
      0,
      2,
      0,
      "1 to 2",
      "2, 2, 2",
      "1.00, 1.00",
    ]);
  });
});
