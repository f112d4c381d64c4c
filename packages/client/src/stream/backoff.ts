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
  /** What of it the server asked for: coming online or into view may end the wait early, but not before that. */
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
