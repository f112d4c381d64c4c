// Decides when a stream tries again: how long it waits before each attempt, which waits may end early, and when it
// gives up. Pure: the time and the random number come in as arguments.
import type { Outcome } from "./classify.js";

/** The longest `retry:` of a server that is followed, in milliseconds: five minutes. */
export const MAX_RETRY_MS = 300_000;

const FIRST_DELAY_MS = 500;
const MAX_DELAY_MS = 30_000;

export interface BackoffState {
  /** Attempts that failed since the stream last made progress: 0 for the first retry. */
  readonly attempt: number;
  /** The stream's last `retry:` field, in milliseconds. */
  readonly retryMs: number | undefined;
  /** The refusal's `Retry-After`, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  /** A random number, at least 0 and below 1. */
  readonly random: number;
}

export interface Backoff {
  readonly delayMs: number;
  /** How much of it the server asked for, in milliseconds: a wake-up may end the wait early, but not earlier. */
  readonly askedMs: number;
}

/**
 * How long to wait before the next attempt.
 *
 * The server's word counts first: `Retry-After`, then exactly `retry:` (WHATWG HTML, "reconnection time"; MCP
 * 2025-11-25, Transports, Resumability). Else the first retry after progress is immediate, and each further one a
 * random share of a delay that doubles from 0.5 s up to 30 s. Where attempts after a `retry:` make no progress, the
 * longer of both counts, so that a `retry: 0` is no licence to hammer.
 */
export function backoff({ attempt, retryMs, retryAfterMs, random }: BackoffState): Backoff {
  const asked = Math.max(Math.min(retryMs ?? 0, MAX_RETRY_MS), retryAfterMs ?? 0);
  const jittered = attempt === 0 ? 0 : random * Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** (attempt - 1));
  return { delayMs: Math.round(Math.max(asked, jittered)), askedMs: asked };
}

/** Reads a `Retry-After` header: seconds, or an HTTP date (RFC 9110, section 10.2.3). In milliseconds from `now`. */
export function parseRetryAfter(value: string | null, now: number): number | undefined {
  if (value === null) return undefined;
  const at = /^\d+$/.test(value.trim()) ? now + Number(value) * 1000 : Date.parse(value);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}

/** How often a wait may end early for each one that was waited out: other streams may get through all the time. */
const EARLY_ATTEMPTS = 4;

/** How one connection of a stream went. */
export interface Ended {
  readonly outcome: Outcome;
  /** Whether the stream moved on, be it by a priming event: the server still knows it. */
  readonly heard: boolean;
  /** Whether a new message came, or the connection lasted, or the server is polled. */
  readonly progressed: boolean;
}

/** The same, with what it cost. */
interface Attempt extends Ended {
  readonly method: "GET" | "POST";
  /** How long it took until the server answered, in milliseconds. */
  readonly waitedMs: number;
  readonly isOffline: boolean;
}

/** The wait before the next attempt. */
export interface Wait {
  /** Which attempt since the last progress it leads to, from 1. */
  readonly attempt: number;
  /** How long, in milliseconds. Negative when the time budget was used up before. */
  readonly waitMs: number;
  /** How much of it no wake-up cuts short, in milliseconds. */
  readonly firmMs: number;
}

/** What a stream went through until it was connected again. */
export interface Outage {
  readonly attempts: number;
  /** How long it was down, in milliseconds. */
  readonly downMs: number;
}

/** The retries of one stream: how many since it last made progress, and how much of its time budget they used up. */
export class RetryState {
  /** How often in a row the server answered with something unreadable. */
  unreadable = 0;
  readonly #budgetMs: number;
  #attempts = 0;
  /** Of the attempts, those that a wake-up brought forward. They do not lengthen the waits. */
  #early = 0;
  #spentMs = 0;
  #brokenSince: number | undefined;

  /** @param budgetMs - how long the stream may be without a connection, in milliseconds */
  constructor(budgetMs: number) {
    this.#budgetMs = budgetMs;
  }

  /** A connection came about. @returns the outage that it ended, if there was one */
  connected(now: number): Outage | undefined {
    const since = this.#brokenSince;
    this.#brokenSince = undefined;
    return since === undefined ? undefined : { attempts: this.#attempts, downMs: now - since };
  }

  /** A connection ended, or none came about. */
  ended({ heard, isOffline, method, outcome, progressed, waitedMs }: Attempt): void {
    if (progressed) this.#attempts = this.#early = 0;
    this.unreadable = outcome.kind === "unreadable" ? this.unreadable + 1 : 0;
    if (heard || progressed) this.#spentMs = 0;
    // The answer to a request that was sent may take as long as the tool.
    else if (method === "GET" || (outcome.kind === "unreachable" && outcome.unsent))
      this.#spend(waitedMs, isOffline);
  }

  /** The stream is broken, and waits for its next attempt as {@link backoff} says. */
  wait(given: Omit<BackoffState, "attempt">, now: number): Wait {
    const { askedMs, delayMs } = backoff({ ...given, attempt: this.#attempts - this.#early });
    this.#brokenSince ??= now;
    this.#attempts += 1;
    // The last attempt is the one before: what the server asked for is not undercut, and not outwaited.
    const waitMs = Math.min(delayMs, this.#budgetMs - this.#spentMs);
    const mayWake = this.#early < EARLY_ATTEMPTS * (this.#attempts - this.#early);
    return { attempt: this.#attempts, waitMs, firmMs: mayWake ? askedMs : waitMs };
  }

  /** That wait ended after so many milliseconds. @returns whether the time budget is used up */
  waited({ waitMs }: Wait, waitedMs: number, isOffline: boolean): boolean {
    if (waitedMs < waitMs) this.#early += 1;
    this.#spend(waitedMs, isOffline);
    return this.#spentMs >= this.#budgetMs;
  }

  /** Time offline does not count: the network may come back at any moment. */
  #spend(ms: number, isOffline: boolean): void {
    if (!isOffline) this.#spentMs += ms;
  }
}
