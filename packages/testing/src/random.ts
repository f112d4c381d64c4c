// Makes random numbers that are the same for the same seed.

/** A stream of numbers in [0, 1) that is the same for the same seed. */
export type Random = () => number;

/** Spreads an integer over all 32 bits (the finalizer of MurmurHash3), so that neighbouring seeds differ. */
function mix(value: number): number {
  let hash = value | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/**
 * The generator Mulberry32, seeded by all the numbers given. Each connection and each request gets a stream of its
 * own, named by its number: what happens to it then does not depend on how the others interleave with it.
 */
export function seededRandom(...seeds: readonly number[]): Random {
  let state = seeds.reduce((hash, seed) => mix(hash ^ mix(seed + 0x9e3779b9)), 0);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), state | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A whole number from `min` to `max`, both included. */
export function integerBetween(random: Random, min: number, max: number): number {
  return min + Math.floor(random() * (max - min + 1));
}

/** The waiting time until the next event of a process without memory that has one every `mean` on average. */
export function exponential(random: Random, mean: number): number {
  return -mean * Math.log(1 - random());
}
