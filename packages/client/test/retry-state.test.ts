import { describe, expect, it } from "vitest";
import { RetryState, type Wait } from "../src/stream/backoff.js";

const BUDGET_MS = 10_000;
const asks = (retryAfterMs?: number) => ({ retryMs: undefined, retryAfterMs, random: 0.5 });

/** How a resume goes that nobody answers. */
const VAIN = {
  outcome: { kind: "unreachable", unsent: false },
  heard: false,
  progressed: false,
  method: "GET",
  isOffline: false,
  waitedMs: 0,
} as const;

/** Waits for the whole delay. */
function waitOut(retries: RetryState, given = asks(), isOffline = false): Wait & { isExhausted: boolean } {
  const wait = retries.wait(given, 0);
  return { ...wait, isExhausted: retries.waited(wait, wait.waitMs, isOffline) };
}

/** Lets a wake-up end the delay as early as it may. */
function wakeEarly(retries: RetryState): Wait {
  const wait = retries.wait(asks(), 0);
  retries.waited(wait, wait.firmMs, false);
  return wait;
}

describe("the delay before an attempt", () => {
  it("doubles with each attempt without progress", () => {
    const retries = new RetryState(60_000);
    const waits = [1, 2, 3, 4, 5].map(() => waitOut(retries));
    expect(waits.map(({ waitMs }) => waitMs)).toEqual([0, 250, 500, 1000, 2000]);
    expect(waits.map(({ attempt }) => attempt)).toEqual([1, 2, 3, 4, 5]);
  });

  it("starts over after progress, and not where a stream was only heard", () => {
    const retries = new RetryState(60_000);
    waitOut(retries);
    waitOut(retries);
    retries.ended({ ...VAIN, heard: true });
    expect(waitOut(retries)).toMatchObject({ attempt: 3, waitMs: 500 });
    retries.ended({ ...VAIN, progressed: true });
    expect(waitOut(retries)).toMatchObject({ attempt: 1, waitMs: 0 });
  });

  it("is not lengthened by attempts that a wake-up brought forward", () => {
    const retries = new RetryState(60_000);
    waitOut(retries);
    expect([1, 2, 3, 4].map(() => wakeEarly(retries).waitMs)).toEqual([250, 250, 250, 250]);
    expect([waitOut(retries), waitOut(retries)].map(({ waitMs }) => waitMs)).toEqual([250, 500]);
  });
});

describe("a wake-up", () => {
  it("ends a wait early, except for what the server asked for", () => {
    const retries = new RetryState(BUDGET_MS);
    waitOut(retries);
    expect(retries.wait(asks(100), 0)).toEqual({ attempt: 2, waitMs: 250, firmMs: 100 });
  });

  it("may do so four times for each wait that is waited out, this one included", () => {
    const retries = new RetryState(60_000);
    waitOut(retries);
    const firm = Array.from({ length: 10 }, () => wakeEarly(retries).firmMs);
    expect(firm).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 250, 0]);
  });
});

describe("the time budget", () => {
  it("is used up by waits, and cuts the last one short", () => {
    const retries = new RetryState(BUDGET_MS);
    expect(waitOut(retries, asks(6000))).toMatchObject({ waitMs: 6000, isExhausted: false });
    expect(waitOut(retries, asks(6000))).toMatchObject({ waitMs: 4000, isExhausted: true });
  });

  it("is used up by resumes that nobody answers, and then there is nothing left to wait for", () => {
    const retries = new RetryState(BUDGET_MS);
    retries.ended({ ...VAIN, waitedMs: BUDGET_MS + 1 });
    const wait = retries.wait(asks(), 0);
    expect(wait.waitMs).toBe(-1);
    expect(retries.waited(wait, 0, false)).toBe(true);
  });

  it("is not used up by a request that was sent: its answer may take as long as the tool", () => {
    const retries = new RetryState(BUDGET_MS);
    retries.ended({ ...VAIN, method: "POST", waitedMs: BUDGET_MS });
    expect(waitOut(retries).isExhausted).toBe(false);
    const outcome = { kind: "unreachable", unsent: true } as const;
    retries.ended({ ...VAIN, method: "POST", outcome, waitedMs: BUDGET_MS });
    expect(waitOut(retries).isExhausted).toBe(true);
  });

  it("is not used up while the device is offline", () => {
    const retries = new RetryState(BUDGET_MS);
    retries.ended({ ...VAIN, isOffline: true, waitedMs: BUDGET_MS });
    expect(waitOut(retries, asks(BUDGET_MS), true).isExhausted).toBe(false);
    expect(waitOut(retries).isExhausted).toBe(false);
  });

  it.each([{ heard: true }, { progressed: true }])("is whole again after %j", (sign) => {
    const retries = new RetryState(BUDGET_MS);
    retries.ended({ ...VAIN, waitedMs: BUDGET_MS - 1 });
    retries.ended({ ...VAIN, ...sign, waitedMs: 5000 });
    expect(waitOut(retries, asks(BUDGET_MS - 1))).toMatchObject({
      waitMs: BUDGET_MS - 1,
      isExhausted: false,
    });
  });
});

describe("what there is to tell", () => {
  it("is how long a stream was broken and how many attempts it took, once", () => {
    const retries = new RetryState(60_000);
    expect(retries.connected(500)).toBeUndefined();
    retries.wait(asks(), 1000);
    retries.wait(asks(), 2000);
    expect(retries.connected(3500)).toEqual({ attempts: 2, downMs: 2500 });
    expect(retries.connected(4000)).toBeUndefined();
  });

  it("is how many answers in a row could not be read", () => {
    const retries = new RetryState(60_000);
    const unreadable = { ...VAIN, outcome: { kind: "unreadable" } } as const;
    const counts = [unreadable, unreadable, VAIN, unreadable].map((ended) => {
      retries.ended(ended);
      return retries.unreadable;
    });
    expect(counts).toEqual([1, 2, 0, 1]);
  });
});
