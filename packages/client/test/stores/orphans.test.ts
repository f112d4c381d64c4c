import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { excessOf } from "../../src/stores/slots.js";

describe("the choice of orphans to drop", () => {
  it("drops the oldest beyond the number to keep, in each scope by itself", () => {
    const orphans = [
      { scope: "a", savedAt: 1 },
      { scope: "b", savedAt: 2 },
      { scope: "a", savedAt: 3 },
      { scope: "a", savedAt: 4 },
    ];
    expect(excessOf(orphans, { maxOrphans: 2, orphanMaxAgeMs: 100 }, 5)).toEqual([
      { scope: "a", savedAt: 1 },
    ]);
  });

  it("drops what is too old, however few there are", () => {
    const orphans = [
      { scope: "a", savedAt: 0 },
      { scope: "a", savedAt: 1 },
    ];
    expect(excessOf(orphans, { maxOrphans: 2, orphanMaxAgeMs: 100 }, 101)).toEqual([
      { scope: "a", savedAt: 0 },
    ]);
  });

  it("keeps at most so many per scope, none too old, and never an older one in place of a newer", () => {
    const limits = { maxOrphans: 3, orphanMaxAgeMs: 50 };
    fc.assert(
      fc.property(
        fc.array(fc.record({ scope: fc.constantFrom("a", "b"), savedAt: fc.integer({ min: 0, max: 100 }) })),
        (orphans) => {
          const dropped = excessOf(orphans, limits, 100);
          for (const scope of ["a", "b"]) {
            const kept = orphans.filter((orphan) => orphan.scope === scope && !dropped.includes(orphan));
            expect(kept.length).toBeLessThanOrEqual(3);
            const recent = orphans.filter((orphan) => orphan.scope === scope && orphan.savedAt >= 50);
            const newest = recent.map(({ savedAt }) => savedAt).sort((a, b) => b - a);
            expect(kept.map(({ savedAt }) => savedAt).sort((a, b) => b - a)).toEqual(newest.slice(0, 3));
          }
        },
      ),
    );
  });
});
