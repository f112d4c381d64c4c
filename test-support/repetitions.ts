/**
 * How often a test repeats itself: `full` under `npm run test:full`, else `scaled`,
 * so that `npm test` stays under five minutes on two cores.
 */
export function repetitions(counts: { full: number; scaled: number }): number {
  return process.env.RESUMABLE_MCP_FULL === "1" ? counts.full : counts.scaled;
}
