import fc from "fast-check";
import { expect, it } from "vitest";
import { repetitions } from "../../../test-support/repetitions.js";
import { memoryKeyValue } from "../src/logs/key-value/memory-key-value.js";
import { keyValueLog } from "../src/logs/key-value/key-value-log.js";
import type { EventLog, Position } from "../src/index.js";
import { type Fate, faultyKeyValue } from "./support/faulty-key-value.js";

const RETENTION = { maxEvents: null, maxBytes: null, ttlMs: 3_600_000, headTtlMs: null };

type Step =
  | { readonly kind: "append"; readonly count: number; readonly event: Fate; readonly head: Fate }
  | { readonly kind: "crash" | "land" | "read" };

const fate = (...bad: Fate[]) =>
  fc.oneof({ weight: 3, arbitrary: fc.constant<Fate>("work") }, fc.constantFrom<Fate>(...bad));

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("append" as const),
      count: fc.integer({ min: 1, max: 4 }),
      event: fate("fail", "lie", "late"),
      head: fate("fail", "lie"),
    }),
  },
  { weight: 2, arbitrary: fc.constantFrom<Step>({ kind: "crash" }, { kind: "land" }, { kind: "read" }) },
);

/** What was promised about one stream, held against what a read returns. */
class Promises {
  readonly #acknowledged = new Map<number, string>();
  readonly #seen = new Map<number, string>();
  readonly #refused = new Set<string>();
  #epoch: string | undefined;

  acknowledge({ epoch, seq }: Position, payload: string): void {
    this.#epoch ??= epoch;
    expect(epoch).toBe(this.#epoch);
    // Nothing else may ever have been at this number.
    expect(this.#seen.get(seq) ?? payload).toBe(payload);
    this.#acknowledged.set(seq, payload);
  }

  refuse(payload: string): void {
    this.#refused.add(payload);
  }

  async check(log: EventLog): Promise<void> {
    const page = await log.read("stream", 0, 10_000);
    const entries = page?.entries ?? [];
    expect(entries.map(({ seq }) => seq)).toEqual(entries.map((_, index) => index + 1));
    expect(new Set(entries.map(({ payload }) => payload)).size).toBe(entries.length);
    if (this.#epoch !== undefined) expect(page?.head.epoch).toBe(this.#epoch);
    const stored = new Map(entries.map(({ seq, payload }) => [seq, payload]));
    for (const [seq, payload] of this.#acknowledged) expect(stored.get(seq)).toBe(payload);
    for (const [seq, payload] of stored) {
      if (!this.#acknowledged.has(seq)) expect(this.#refused).toContain(payload);
      // What a reader was given under a number stays there: it has a cursor on it. Before the first acknowledgement
      // the stream itself may be another one.
      if (this.#epoch !== undefined) {
        expect(this.#seen.get(seq) ?? payload).toBe(payload);
        this.#seen.set(seq, payload);
      }
    }
  }
}

it("loses no acknowledged event and leaves no hole, whatever fails, lies, comes late or crashes", async () => {
  const property = fc.asyncProperty(fc.array(step, { maxLength: 30, size: "max" }), async (steps) => {
    const keyValue = faultyKeyValue(memoryKeyValue());
    const promises = new Promises();
    let log = keyValueLog(keyValue);
    let count = 0;
    for (const next of steps) {
      if (next.kind === "append") {
        keyValue.fateOf = (operation, collection) => {
          if (!operation.startsWith("put")) return "work";
          return collection.endsWith("heads") ? next.head : next.event;
        };
        const payloads = Array.from({ length: next.count }, () => `payload ${(count += 1)}`);
        const results = await Promise.allSettled(
          payloads.map((payload) => log.append("stream", payload, RETENTION)),
        );
        keyValue.fateOf = () => "work";
        for (const [index, payload] of payloads.entries()) {
          const result = results[index];
          if (result?.status === "fulfilled") promises.acknowledge(result.value, payload);
          else promises.refuse(payload);
        }
      } else if (next.kind === "crash") {
        log = keyValueLog(keyValue);
      } else if (next.kind === "land") {
        await keyValue.land();
      } else {
        await promises.check(log);
      }
    }
    await promises.check(log);
    await keyValue.land();
    await promises.check(keyValueLog(keyValue));
  });
  await fc.assert(property, { numRuns: repetitions({ full: 3000, scaled: 100 }) });
});
