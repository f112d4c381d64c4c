import { stateStoreSuite } from "@resumable-mcp/testing/state-store-suite";
import { describe, expect, it } from "vitest";
import { memoryStore } from "../../src/stores/memory.js";

stateStoreSuite(
  { describe, it },
  {
    name: "memoryStore",
    create() {
      const store = memoryStore();
      return { open: () => store };
    },
  },
);

describe("memoryStore", () => {
  const scope = { serverUrl: "https://mcp.example/mcp", partition: "" };
  const { signal } = new AbortController();

  it("keeps as many records of released slots as it was told, the newest", async () => {
    const store = memoryStore({ maxOrphans: 2 });
    const slots = await Promise.all([1, 2, 3].map(() => store.acquire(scope, signal)));
    for (const [n, slot] of slots.entries()) {
      await slot.save({ n });
      await slot.release();
    }
    const next = await Promise.all([1, 2, 3].map(() => store.acquire(scope, signal)));
    expect(await Promise.all(next.map((slot) => slot.load()))).toEqual([{ n: 2 }, { n: 1 }, undefined]);
  });

  it("shares nothing with another memory store", async () => {
    const slot = await memoryStore().acquire(scope, signal);
    await slot.save({ n: 1 });
    await slot.release();
    const other = await memoryStore().acquire(scope, signal);
    expect(await other.load()).toBeUndefined();
  });

  it.each([0, -1, 1.5, Number.NaN, 10_001])("refuses to keep %s orphans", (maxOrphans) => {
    expect(() => memoryStore({ maxOrphans })).toThrow(
      expect.objectContaining({
        code: "invalid-option",
        message: expect.stringContaining("maxOrphans") as string,
      }),
    );
  });
});
