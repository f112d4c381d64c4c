/** What became of the messages of a run. */
export interface Tally {
  /** How many had to come. */
  readonly expected: number;
  /** How many never came. */
  readonly lost: number;
  /** How many came again. */
  readonly repeated: number;
  /** How often one came before another that it follows. */
  readonly disordered: number;
}

const NOTHING: Tally = { expected: 0, lost: 0, repeated: 0, disordered: 0 };

/** Compares what came with what had to come, message by message. No two of the expected ones may be equal. */
export function tally(expected: readonly object[], received: readonly object[]): Tally {
  const places = new Map(expected.map((message, place) => [JSON.stringify(message), place]));
  const came = received.map((message) => places.get(JSON.stringify(message)) ?? NaN);
  const firsts = [...new Set(came)];
  return {
    expected: expected.length,
    lost: expected.length - firsts.length,
    repeated: came.length - firsts.length,
    disordered: firsts.filter((place, index) => index > 0 && !(place > (firsts[index - 1] ?? 0))).length,
  };
}

export function sum(tallies: readonly Tally[]): Tally {
  return tallies.reduce(
    (total, each) => ({
      expected: total.expected + each.expected,
      lost: total.lost + each.lost,
      repeated: total.repeated + each.repeated,
      disordered: total.disordered + each.disordered,
    }),
    NOTHING,
  );
}
