// Says how often a test repeats itself, less often in the ordinary run than in the full one.

/** `full` under `npm run test:full`, else `scaled`, so that `npm test` takes at most three minutes on two cores. */
export function repetitions(counts: { full: number; scaled: number }): number {
  return process.env.RESUMABLE_MCP_FULL === "1" ? counts.full : counts.scaled;
}
