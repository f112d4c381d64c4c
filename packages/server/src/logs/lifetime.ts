import type { Retention } from "../event-log.js";

/**
 * How long after its last append a stream is forgotten, head and all, in milliseconds; `null` for never.
 *
 * One that has ended goes with its newest event. Another one keeps its head for `headTtlMs`, and in any case for as
 * long as its newest event may be read.
 */
export function forgetAfterMs(retention: Retention, ended: boolean): number | null {
  const { ttlMs, headTtlMs } = retention;
  if (ttlMs === null) return null;
  if (ended) return ttlMs;
  return headTtlMs === null ? null : Math.max(ttlMs, headTtlMs);
}
