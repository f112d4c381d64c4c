// Compares a log with the model in random sequences of calls.

import fc from "fast-check";
import type { EventLogCapabilities, EventLogFixture, SuiteRunner } from "./fixture.js";
import {
  type Change,
  ChangesCommand,
  ElapseCommand,
  type LogCommand,
  Model,
  ReadCommand,
  ReopenCommand,
} from "./model-commands.js";

export interface EventLogModelOptions<Fixture extends EventLogFixture = EventLogFixture> {
  /** The log's name, for the test's name. */
  readonly name: string;
  /** Makes a log on empty storage. Called for each sequence. */
  create(): Fixture | Promise<Fixture>;
  /**
   * As for the suite; those that are used are `reopen` and `time`. The clock must stand still but for `elapse`; without
   * one, nothing expires in the sequences.
   */
  readonly capabilities?: Pick<EventLogCapabilities<Fixture>, "reopen" | "time">;
  /** How many random sequences of calls are tried. @defaultValue 100 */
  readonly runs?: number;
  /** Repeats the run with this seed; a failure prints its own. @defaultValue random */
  readonly seed?: number;
}

const STREAMS = ["", "a", "a:b"];
/** Sequences are short enough for a person to read, and long enough to meet every state. */
const MAX_COMMANDS = 40;

/**
 * Holds a log to a plain array in random sequences of calls (fast-check): whatever the sequence, every answer must be
 * the model's. A failure is shrunk to the shortest sequence that shows it and printed with its seed.
 */
export function eventLogModelTest<Fixture extends EventLogFixture>(
  runner: SuiteRunner,
  options: EventLogModelOptions<Fixture>,
): void {
  const { runs = 100, seed, capabilities = {} } = options;
  const { time, reopen } = capabilities;
  runner.it(
    `${options.name} answers as a plain array would in ${runs} random sequences of calls`,
    async () => {
      const property = fc.asyncProperty(
        fc.commands(commands(time?.unitMs, reopen !== undefined), { maxCommands: MAX_COMMANDS, size: "max" }),
        async (sequence) => {
          const fixture = await options.create();
          const real = {
            log: fixture.log,
            elapse: async (ms: number) => time?.elapse(fixture, ms),
            reopen: async () => (await reopen?.(fixture)) ?? fixture.log,
          };
          const model = new Model();
          try {
            await fc.asyncModelRun(() => ({ model, real }), sequence);
            for (const stream of STREAMS) await new ReadCommand(stream, 0, 10_000).run(model, real);
            await real.log.close();
          } finally {
            await fixture.dispose?.();
          }
        },
      );
      await fc.assert(property, { numRuns: runs, ...(seed === undefined ? {} : { seed }) });
    },
  );
}

function commands(unitMs: number | undefined, canReopen: boolean): fc.Arbitrary<LogCommand>[] {
  const stream = fc.constantFrom(...STREAMS);
  const orNone = (limit: fc.Arbitrary<number>) => fc.option(limit, { freq: 2, nil: null });
  const units = (min: number, max: number) =>
    unitMs === undefined
      ? fc.constant(null)
      : orNone(fc.integer({ min, max }).map((halves) => (halves * unitMs) / 2));
  const retention = fc.record({
    maxEvents: orNone(fc.integer({ min: 0, max: 6 })),
    maxBytes: orNone(fc.integer({ min: 0, max: 40 })),
    ttlMs: units(0, 8),
    headTtlMs: units(0, 12),
  });
  const append = fc.record({
    kind: fc.constant("append" as const),
    stream,
    payload: fc.string({ unit: "grapheme", maxLength: 10 }),
    retention,
    // Sometimes more than a log would write at once.
    times: fc.oneof(
      { weight: 9, arbitrary: fc.integer({ min: 1, max: 4 }) },
      fc.integer({ min: 60, max: 140 }),
    ),
  });
  const other = fc.record({ kind: fc.constantFrom("end" as const, "delete" as const), stream });
  const changes = fc.array(
    fc.oneof<fc.WeightedArbitrary<Change>[]>(
      { weight: 6, arbitrary: append },
      { weight: 1, arbitrary: other },
    ),
    {
      minLength: 1,
      maxLength: 5,
    },
  );
  const change = changes.map((list) => new ChangesCommand(list));
  const read = fc
    .tuple(
      stream,
      fc.oneof(fc.constant(0), fc.nat(30)),
      fc.oneof(fc.constant(1000), fc.integer({ min: 1, max: 5 })),
    )
    .map(([name, after, limit]) => new ReadCommand(name, after, limit));
  const elapse = fc
    .integer({ min: 1, max: 6 })
    .map((halves) => new ElapseCommand((halves * (unitMs ?? 0)) / 2));
  return [
    change,
    change,
    read,
    ...(unitMs === undefined ? [] : [elapse]),
    ...(canReopen ? [fc.constant(0).map(() => new ReopenCommand())] : []),
  ];
}
