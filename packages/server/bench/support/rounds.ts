/** One of the things that are compared. */
export interface Contender {
  readonly name: string;
  /** Runs once and returns what was measured: a rate or a duration. */
  run(): Promise<number>;
}

/**
 * Runs the contenders by turns, so that what the machine does besides befalls all of them, and each in another place
 * every round.
 *
 * @returns the median of each, by name.
 */
export async function mediansOf(
  contenders: readonly Contender[],
  { rounds = 5 }: { readonly rounds?: number } = {},
): Promise<ReadonlyMap<string, number>> {
  const results = new Map(contenders.map(({ name }) => [name, [] as number[]]));
  for (let round = 0; round < rounds; round += 1) {
    for (let place = 0; place < contenders.length; place += 1) {
      const contender = contenders[(round + place) % contenders.length];
      if (contender !== undefined) results.get(contender.name)?.push(await contender.run());
    }
  }
  return new Map([...results].map(([name, values]) => [name, median(values)]));
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low = Number.NaN, high = Number.NaN] = [
    sorted[sorted.length % 2 === 0 ? middle - 1 : middle],
    sorted[middle],
  ];
  return (low + high) / 2;
}

/** How many calls a second, `inFlight` at a time. `call` is given the number of the worker that calls. */
export async function callsPerSecond(
  calls: number,
  inFlight: number,
  call: (worker: number) => Promise<unknown>,
): Promise<number> {
  let left = calls;
  const startedAt = performance.now();
  await Promise.all(
    Array.from({ length: inFlight }, async (_, worker) => {
      while (left > 0) {
        left -= 1;
        await call(worker);
      }
    }),
  );
  return (calls / (performance.now() - startedAt)) * 1000;
}
