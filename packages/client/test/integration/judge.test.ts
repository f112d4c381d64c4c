import { describe, expect, it } from "vitest";
import { ResumeError } from "../../src/index.js";
import { countMessage, countResult } from "../../../../test-support/sdk-servers/count-tool.js";
import {
  isCompleted,
  isMaybeExecuted,
  judge,
  sum,
  type Outcome,
} from "../../../../test-support/weather/judge.js";

const call = { key: "a", messages: 5, intervalMs: 1, executions: 1 };
const result: Outcome = { kind: "result", text: countResult(call) };
const messages = (...numbers: number[]) => numbers.map((number) => countMessage("a", number));
const faults = (arrivals: readonly string[]) => {
  const { lost, duplicated, outOfOrder, foreign } = judge({ ...call, arrivals, outcome: result });
  return { lost, duplicated, outOfOrder, foreign };
};
const none = { lost: 0, duplicated: 0, outOfOrder: 0, foreign: 0 };

describe("the judge of a run", () => {
  it("finds nothing wrong with every message once and in order", () => {
    expect(faults(messages(1, 2, 3, 4, 5))).toEqual(none);
  });

  it.each([
    ["lost at the end", messages(1, 2, 3), { lost: 2 }],
    ["lost in the middle", messages(1, 2, 4, 5), { lost: 1 }],
    ["all lost", [], { lost: 5 }],
    ["come twice in a row", messages(1, 1, 2, 3, 4, 5), { duplicated: 1 }],
    ["replayed as a whole", messages(1, 2, 3, 1, 2, 3, 4, 5), { duplicated: 3 }],
    ["swapped", messages(1, 3, 2, 4, 5), { outOfOrder: 1 }],
    ["another call's", [...messages(1, 2, 3, 4, 5), countMessage("b", 1)], { foreign: 1 }],
    ["beyond the last", messages(1, 2, 3, 4, 5, 6), { foreign: 1 }],
    ["lost, twice and swapped", messages(2, 1, 2, 4), { lost: 2, duplicated: 1, outOfOrder: 1 }],
  ])("finds messages that are %s", (_name, arrivals, expected) => {
    expect(faults(arrivals)).toEqual({ ...none, ...expected });
  });

  it("knows the typed error, thrown or carried by a JSON-RPC error", () => {
    const thrown = new ResumeError("interrupted", "broken", { maybeExecuted: true });
    const carried = Object.assign(new Error("MCP error"), {
      data: { "resumable-mcp": { code: "interrupted", maybeExecuted: true } },
    });
    for (const error of [thrown, carried]) {
      const verdict = judge({ ...call, arrivals: [], outcome: { kind: "error", error } });
      expect(verdict.ending).toEqual({ kind: "typed-error", code: "interrupted", maybeExecuted: true });
      expect([isMaybeExecuted(verdict), isCompleted(verdict)]).toEqual([true, false]);
    }
    const lost = new ResumeError("cursor-lost", "gone");
    expect(isMaybeExecuted(judge({ ...call, arrivals: [], outcome: { kind: "error", error: lost } }))).toBe(
      false,
    );
  });

  it("takes no other error for it, no wrong result for a right one, and no silence for an end", () => {
    const error = Object.assign(new Error("no"), { code: "interrupted", maybeExecuted: true });
    const endings = (
      [{ kind: "error", error }, { kind: "result", text: "a counted to 4" }, { kind: "hung" }] as const
    )
      .map((outcome) => judge({ ...call, arrivals: [], outcome }))
      .map((verdict) => [verdict.ending.kind, isMaybeExecuted(verdict), isCompleted(verdict)]);
    expect(endings).toEqual([
      ["other-error", false, false],
      ["wrong-result", false, false],
      ["hung", false, false],
    ]);
  });

  it("adds up over calls", () => {
    const one = judge({ ...call, arrivals: messages(1), outcome: result });
    expect([sum([one, one], "lost"), sum([one, one], "duplicated")]).toEqual([8, 0]);
  });
});
