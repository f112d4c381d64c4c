import { describe, expect, it } from "vitest";
import { type Backoff, type Ended, RetryState } from "../src/stream/backoff.js";

const BUDGET_MS = 10_000;
const NOTHING_ASKED = { retryMs: undefined, retryAfterMs: undefined, random: 0.5 };
const SECOND: Backoff = { delayMs: 1000, askedMs: 0 };

const UNREACHABLE: Ended = {
  outcome: { kind: "unreachable", unsent: false },
  heard: false,
  progressed: false,
};
const GET = { method: "GET", isOffline: false, waitedMs: 0 } as const;
const failed = (ended: Partial<Ended> = {}): Ended => ({ ...UNREACHABLE, ...ended });

/** Ends a connection and waits a whole delay, as the loop does. @returns the delay that was due */
function retry(retries: RetryState, { ended = UNREACHABLE, isOffline = false, waitedMs = 0 } = {}): number {
  retries.ended(ended, { ...GET, isOffline, waitedMs });
  const delay = retries.delay(NOTHING_ASKED);
  const wait = retries.wait(delay, 0);
  retries.waited(wait, wait.waitMs, isOffline);
  return delay.delayMs;
}

describe("the delay before an attempt", () => {
  it("doubles with each attempt without progress", () => {
    const retries = new RetryState(60_000);
    expect([1, 2, 3, 4, 5].map(() => retry(retries))).toEqual([0, 250, 500, 1000, 2000]);
  });

  it("starts over after progress, and not where a stream was only heard", () => {
    const retries = new RetryState(60_000);
    retry(retries);
    retry(retries);
    expect(retry(retries, { ended: failed({ heard: true }) })).toBe(500);
    expect(retry(retries, { ended: failed({ progressed: true }) })).toBe(0);
  });

  it("is not lengthened by attempts that a wake-up brought forward", () => {
    const retries = new RetryState(60_000);
    retry(retries);
    for (let early = 0; early < 4; early += 1) {
      expect(retries.delay(NOTHING_ASKED).delayMs).toBe(250);
      retries.waited(retries.wait(SECOND, 0), 10, false);
    }
  });
});

describe("a wake-up", () => {
  it("ends a wait early, except for what the server asked for", () => {
    const retries = new RetryState(BUDGET_MS);
    expect(retries.wait({ delayMs: 1000, askedMs: 400 }, 0)).toEqual({
      attempt: 1,
      waitMs: 1000,
      firmMs: 400,
    });
  });

  it("may do so four times for each wait that is waited out, this one included", () => {
    const retries = new RetryState(60_000);
    retry(retries);
    const firm = Array.from({ length: 10 }, () => {
      const wait = retries.wait(SECOND, 0);
      retries.waited(wait, wait.firmMs, false);
      return wait.firmMs;
    });
    expect(firm).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 1000, 0]);
  });
});

describe("the time budget", () => {
  it("is used up by waits, and cuts the last one short", () => {
    const retries = new RetryState(BUDGET_MS);
    const long: Backoff = { delayMs: 6000, askedMs: 0 };
    const first = retries.wait(long, 0);
    retries.waited(first, first.waitMs, false);
    expect(retries.isExhausted).toBe(false);
    const second = retries.wait(long, 0);
    expect([first.waitMs, second.waitMs]).toEqual([6000, 4000]);
    retries.waited(second, second.waitMs, false);
    expect(retries.isExhausted).toBe(true);
  });

  it("is used up by resumes that nobody answers, and then there is nothing left to wait for", () => {
    const retries = new RetryState(BUDGET_MS);
    retries.ended(UNREACHABLE, { ...GET, waitedMs: BUDGET_MS + 1 });
    expect(retries.wait(SECOND, 0).waitMs).toBe(-1);
    expect(retries.isExhausted).toBe(true);
  });

  it("is not used up by a request that was sent: its answer may take as long as the tool", () => {
    const retries = new RetryState(BUDGET_MS);
    retries.ended(UNREACHABLE, { method: "POST", isOffline: false, waitedMs: BUDGET_MS });
    expect(retries.isExhausted).toBe(false);
    const unsent = failed({ outcome: { kind: "unreachable", unsent: true } });
    retries.ended(unsent, { method: "POST", isOffline: false, waitedMs: BUDGET_MS });
    expect(retries.isExhausted).toBe(true);
  });

  it("is not used up while the device is offline", () => {
    const retries = new RetryState(BUDGET_MS);
    retry(retries, { isOffline: true, waitedMs: BUDGET_MS });
    retries.waited(retries.wait(SECOND, 0), BUDGET_MS, true);
    expect(retries.isExhausted).toBe(false);
  });

  it.each([{ heard: true }, { progressed: true }])("is whole again after %j", (sign) => {
    const retries = new RetryState(BUDGET_MS);
    retries.ended(UNREACHABLE, { ...GET, waitedMs: BUDGET_MS - 1 });
    retries.ended(failed(sign), { ...GET, waitedMs: 5000 });
    retries.ended(UNREACHABLE, { ...GET, waitedMs: BUDGET_MS - 1 });
    expect(retries.isExhausted).toBe(false);
  });
});

describe("what there is to tell", () => {
  it("is how long a stream was broken and how many attempts it took, once", () => {
    const retries = new RetryState(60_000);
    expect(retries.connected(500)).toBeUndefined();
    retries.wait(SECOND, 1000);
    retries.wait(SECOND, 2000);
    expect(retries.connected(3500)).toEqual({ attempts: 2, downMs: 2500 });
    expect(retries.connected(4000)).toBeUndefined();
  });

  it("is how many answers in a row could not be read", () => {
    const retries = new RetryState(60_000);
    const unreadable = failed({ outcome: { kind: "unreadable" } });
    const counts = [unreadable, unreadable, UNREACHABLE, unreadable].map((ended) => {
      retries.ended(ended, GET);
      return retries.unreadable;
    });
    expect(counts).toEqual([1, 2, 0, 1]);
  });
});
