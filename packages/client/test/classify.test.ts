import { describe, expect, it } from "vitest";
import {
  classify,
  classifyPing,
  mayHaveRun,
  type Outcome,
  type StreamFacts,
  type Verdict,
} from "../src/stream/classify.js";

const REQUEST: StreamFacts = {
  method: "POST",
  listening: false,
  hasCursor: false,
  hasSession: true,
  resendable: false,
  unreadable: 0,
};
const HARMLESS: StreamFacts = { ...REQUEST, resendable: true };
const RESUME: StreamFacts = { ...REQUEST, method: "GET", hasCursor: true };
const LISTEN: StreamFacts = { ...RESUME, listening: true, hasCursor: false, resendable: true };

const refused = (status: number): Outcome => ({ kind: "refused", status });
const ENDED: Outcome = { kind: "ended" };
const SENT: Outcome = { kind: "unreachable", unsent: false };
const UNSENT: Outcome = { kind: "unreachable", unsent: true };

/** A verdict in one word: a failure by its code, and what the standalone stream makes of a lost cursor by its own. */
const word = (verdict: Verdict): string =>
  verdict.kind === "fail" ? verdict.code : verdict.kind === "restart" ? "cursor-lost" : verdict.kind;

describe("classify", () => {
  it("is done with the final response, whatever the stream", () => {
    for (const facts of [REQUEST, HARMLESS, RESUME, LISTEN])
      expect(classify({ kind: "answered" }, facts)).toEqual({ kind: "done" });
  });

  it.each([
    //         status: request,        harmless,       resume,          standalone
    [300, "http", "http", "http", "http"],
    [302, "http", "http", "http", "http"],
    [307, "http", "http", "http", "http"],
    [400, "ask", "ask", "ask", "ask"],
    [401, "unauthorized", "unauthorized", "unauthorized", "unauthorized"],
    [403, "unauthorized", "unauthorized", "unauthorized", "unauthorized"],
    [404, "session-lost", "session-lost", "session-lost", "ask"],
    [405, "http", "http", "not-resumable", "stop"],
    [406, "http", "http", "http", "http"],
    [408, "interrupted", "retry", "retry", "retry"],
    [409, "http", "http", "retry", "retry"],
    [410, "http", "http", "cursor-lost", "http"],
    [413, "http", "http", "http", "http"],
    [425, "http", "http", "retry", "retry"],
    [429, "retry", "retry", "retry", "retry"],
    [500, "interrupted", "retry", "retry", "retry"],
    [502, "interrupted", "retry", "retry", "retry"],
    [503, "interrupted", "retry", "retry", "retry"],
    [504, "interrupted", "retry", "retry", "retry"],
    [511, "interrupted", "retry", "retry", "retry"],
  ])("answers a %i by what asked for it", (code, request, harmless, resume, standalone) => {
    const verdicts = [REQUEST, HARMLESS, RESUME, LISTEN].map((facts) => word(classify(refused(code), facts)));
    expect(verdicts).toEqual([request, harmless, resume, standalone]);
  });

  it("takes 400 and 404 to a request outside of any session for what they are", () => {
    const facts = { ...REQUEST, hasSession: false };
    expect([400, 404].map((code) => word(classify(refused(code), facts)))).toEqual(["http", "http"]);
  });

  it("asks what a 404 to a resume means where there is no session to be lost", () => {
    expect(word(classify(refused(404), { ...RESUME, hasSession: false }))).toBe("ask");
  });

  it.each([
    ["a connection that ended", ENDED],
    ["no answer", SENT],
  ])("after %s resumes from a cursor, and else sends again only what is harmless", (_name, outcome) => {
    const verdicts = [REQUEST, HARMLESS, RESUME, LISTEN].map((facts) => word(classify(outcome, facts)));
    expect(verdicts).toEqual(["interrupted", "retry", "retry", "retry"]);
  });

  it("resumes a request whose POST brought a cursor before it broke", () => {
    expect(word(classify(ENDED, { ...REQUEST, hasCursor: true }))).toBe("retry");
  });

  it("sends nothing twice when the cursor was cleared on a resumed connection", () => {
    expect(word(classify(ENDED, { ...RESUME, hasCursor: false }))).toBe("interrupted");
    expect(word(classify(ENDED, { ...RESUME, hasCursor: false, resendable: true }))).toBe("retry");
  });

  it("sends again what never reached the server", () => {
    expect(word(classify(UNSENT, REQUEST))).toBe("retry");
  });

  it("gives an unreadable answer to a resume five attempts, and one to a request none", () => {
    const verdicts = [1, 4, 5].map((unreadable) =>
      word(classify({ kind: "unreadable" }, { ...RESUME, unreadable })),
    );
    expect(verdicts).toEqual(["retry", "retry", "not-sse"]);
    expect(word(classify({ kind: "unreadable" }, { ...HARMLESS, unreadable: 1 }))).toBe("not-sse");
  });

  it("lets the standalone stream go on from now when its cursor is lost, and fails any other one", () => {
    const restart = { kind: "restart", mayHaveMissed: true };
    expect(classify(refused(410), { ...LISTEN, hasCursor: true })).toEqual(restart);
    expect(classifyPing(200, { ...LISTEN, hasCursor: true })).toEqual(restart);
    expect(classify(refused(410), RESUME)).toEqual({ kind: "fail", code: "cursor-lost" });
    expect(classifyPing(200, RESUME)).toEqual({ kind: "fail", code: "cursor-lost" });
  });

  it("expects messages to be missed only where a standalone stream is refused with 409", () => {
    const mayHaveMissed = (status: number, facts: StreamFacts): unknown => classify(refused(status), facts);
    expect(mayHaveMissed(409, LISTEN)).toEqual({ kind: "retry", mayHaveMissed: true });
    expect(mayHaveMissed(409, RESUME)).toEqual({ kind: "retry", mayHaveMissed: false });
    expect(mayHaveMissed(503, LISTEN)).toEqual({ kind: "retry", mayHaveMissed: false });
    expect(classify(ENDED, LISTEN)).toEqual({ kind: "retry", mayHaveMissed: false });
  });

  it("does not go on with a peer that breaks the protocol", () => {
    for (const facts of [REQUEST, HARMLESS, RESUME, LISTEN])
      expect(word(classify({ kind: "violated" }, facts))).toBe("protocol");
  });
});

describe("classifyPing", () => {
  it.each([
    //    ping: request,        resume,         standalone,     standalone with a cursor
    [200, "http", "cursor-lost", "stop", "cursor-lost"],
    [202, "http", "cursor-lost", "stop", "cursor-lost"],
    [400, "session-lost", "session-lost", "session-lost", "session-lost"],
    [404, "session-lost", "session-lost", "session-lost", "session-lost"],
    [401, "unauthorized", "unauthorized", "unauthorized", "unauthorized"],
    [403, "unauthorized", "unauthorized", "unauthorized", "unauthorized"],
    [429, "retry", "retry", "retry", "retry"],
    [500, "retry", "retry", "retry", "retry"],
    [503, "retry", "retry", "retry", "retry"],
  ])("reads a %i", (code, request, resume, standalone, standaloneWithCursor) => {
    const verdicts = [REQUEST, RESUME, LISTEN, { ...LISTEN, hasCursor: true }].map((facts) =>
      word(classifyPing(code, facts)),
    );
    expect(verdicts).toEqual([request, resume, standalone, standaloneWithCursor]);
  });
});

describe("mayHaveRun", () => {
  it.each([401, 403, 404, 429, 400, 405, 409, 413, 302])(
    "rules a request out that was answered %i",
    (code) => {
      expect(mayHaveRun(refused(code))).toBe(false);
    },
  );

  it.each([408, 500, 502, 503, 504])("cannot rule a request out that was answered %i", (code) => {
    expect(mayHaveRun(refused(code))).toBe(true);
  });

  it("rules out only what is certain not to have reached the server", () => {
    const outcomes: readonly Outcome[] = [ENDED, SENT, { kind: "unreadable" }, { kind: "violated" }];
    expect(outcomes.map(mayHaveRun)).toEqual(outcomes.map(() => true));
    expect(mayHaveRun(UNSENT)).toBe(false);
  });
});
