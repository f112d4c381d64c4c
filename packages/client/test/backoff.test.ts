import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { backoff, type BackoffState, MAX_RETRY_MS, parseRetryAfter } from "../src/stream/backoff.js";

const FIRST: BackoffState = {
  attempt: 0,
  retryMs: undefined,
  retryAfterMs: undefined,
  random: 0.999,
};
const delayOf = (state: Partial<BackoffState>): number => backoff({ ...FIRST, ...state }).delayMs;

const state = fc.record({
  attempt: fc.nat({ max: 5000 }),
  retryMs: fc.option(fc.oneof(fc.nat(), fc.constant(Infinity)), { nil: undefined }),
  retryAfterMs: fc.option(fc.nat(), { nil: undefined }),
  random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
});

describe("backoff", () => {
  it("makes the first retry after progress at once", () => {
    expect(delayOf({})).toBe(0);
  });

  it("draws each further delay from a range that doubles from 0.5 s up to 30 s", () => {
    const tops = [1, 2, 3, 4, 5, 6, 7, 8, 100, 2000].map((attempt) =>
      delayOf({ attempt, random: 0.9999999 }),
    );
    expect(tops).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000, 30_000]);
    expect(delayOf({ attempt: 7, random: 0 })).toBe(0);
    expect(delayOf({ attempt: 7, random: 0.5 })).toBe(15_000);
  });

  it.each([500, 1234, 60_000, MAX_RETRY_MS])(
    "waits exactly the %i ms that the server asked for",
    (retryMs) => {
      expect(backoff({ ...FIRST, retryMs })).toEqual({ delayMs: retryMs, askedMs: retryMs });
    },
  );

  it("backs off from a server that fails, though it once asked for less", () => {
    expect(delayOf({ attempt: 7, retryMs: 2000 })).toBe(29_970);
    expect(delayOf({ attempt: 1, retryMs: 2000 })).toBe(2000);
  });

  it("takes a `retry:` of 0 for no licence to hammer", () => {
    expect(delayOf({ retryMs: 0 })).toBe(0);
    expect(delayOf({ attempt: 4, retryMs: 0, random: 0.5 })).toBe(2000);
  });

  it("caps a `retry:` of a year at five minutes, but no `Retry-After`", () => {
    const year = 365 * 24 * 60 * 60_000;
    expect(delayOf({ retryMs: year })).toBe(300_000);
    expect(delayOf({ retryMs: Infinity })).toBe(300_000);
    expect(delayOf({ retryAfterMs: year })).toBe(year);
  });

  it("waits as long as the longer of `retry:` and `Retry-After` says", () => {
    expect(delayOf({ retryMs: 1000, retryAfterMs: 7000 })).toBe(7000);
    expect(delayOf({ retryMs: 7000, retryAfterMs: 1000 })).toBe(7000);
  });

  it("tells what of a wait the server asked for: no wake-up may undercut that, and each may the rest", () => {
    const late = { ...FIRST, attempt: 3, random: 0.5 };
    expect(backoff(late)).toEqual({ delayMs: 1000, askedMs: 0 });
    expect(backoff({ ...late, retryMs: 400 })).toEqual({ delayMs: 1000, askedMs: 400 });
    expect(backoff({ ...late, retryAfterMs: 2000 })).toEqual({ delayMs: 2000, askedMs: 2000 });
  });

  it("undercuts nothing and exceeds 30 s only when asked to, whatever the state", () => {
    fc.assert(
      fc.property(state, (given) => {
        const { delayMs } = backoff(given);
        const asked = Math.max(Math.min(given.retryMs ?? 0, MAX_RETRY_MS), given.retryAfterMs ?? 0);
        expect(delayMs).toBeGreaterThanOrEqual(asked);
        expect(delayMs).toBeLessThanOrEqual(Math.max(asked, 30_000));
      }),
    );
  });
});

describe("parseRetryAfter", () => {
  const now = Date.parse("2026-03-01T12:00:00Z");

  it.each([
    ["0", 0],
    ["120", 120_000],
    [" 7 ", 7000],
    ["Sun, 01 Mar 2026 12:00:30 GMT", 30_000],
    ["Sunday, 01-Mar-26 12:00:30 GMT", 30_000],
    ["Sun, 01 Mar 2026 11:00:00 GMT", 0],
    ["31536000", 31_536_000_000],
  ])("reads %j", (value, expected) => {
    expect(parseRetryAfter(value, now)).toBe(expected);
  });

  it.each([null, "", "soon", "1 minute please", "1.5 h"])("leaves %j out", (value) => {
    expect(parseRetryAfter(value, now)).toBeUndefined();
  });
});
