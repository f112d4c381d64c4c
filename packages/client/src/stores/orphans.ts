/** A record that no live client holds. */
export interface Orphan {
  readonly scope: string;
  /** When it was written, in milliseconds since 1970. */
  readonly savedAt: number;
}

export const newestFirst = <T extends Pick<Orphan, "savedAt">>(orphans: readonly T[]): T[] =>
  [...orphans].sort((one, other) => other.savedAt - one.savedAt);

/** Which of the orphans to drop: too old, or too many of one scope. */
export function excessOf<T extends Orphan>(
  orphans: readonly T[],
  limits: { readonly maxOrphans: number; readonly orphanMaxAgeMs: number },
  now: number,
): T[] {
  const counts = new Map<string, number>();
  return newestFirst(orphans).filter(({ scope, savedAt }) => {
    const rank = (counts.get(scope) ?? 0) + 1;
    counts.set(scope, rank);
    return rank > limits.maxOrphans || now - savedAt > limits.orphanMaxAgeMs;
  });
}
