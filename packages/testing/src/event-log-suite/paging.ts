import assert from "node:assert/strict";
import {
  appendAll,
  assertFailsWith,
  keep,
  type LogTest,
  numbered,
  range,
  readPage,
  seqsOf,
} from "./fixture.js";

export function pagingTests(test: LogTest): void {
  test("knows nothing of a stream that was never written", async ({ log }) => {
    assert.equal(await log.read("stream", 0, 10), undefined);
    await log.append("other", "event", keep());
    assert.equal(await log.read("stream", 0, 10), undefined);
  });

  test("returns the oldest events after the position, at most as many as asked for", async ({ log }) => {
    await appendAll(log, "stream", numbered(25));
    assert.deepEqual(seqsOf(await readPage(log, "stream", 0, 10)), range(1, 10));
    assert.deepEqual(seqsOf(await readPage(log, "stream", 3, 1)), [4]);
    assert.deepEqual(seqsOf(await readPage(log, "stream", 20, 10)), range(21, 25));
  });

  test("gives every event exactly once to a reader who pages", async ({ log }) => {
    await appendAll(log, "stream", numbered(300));
    const seen: number[] = [];
    for (let after = 0; ; after = seen.at(-1) ?? 0) {
      const page = await readPage(log, "stream", after, 7);
      if (page.entries.length === 0) break;
      seen.push(...seqsOf(page));
    }
    assert.deepEqual(seen, range(1, 300));
  });

  test("tells the head and the floor on every page, the empty one included", async ({ log }) => {
    const positions = await appendAll(log, "stream", numbered(12), keep({ maxEvents: 10 }));
    for (const [after, limit] of [
      [0, 3],
      [5, 100],
      [12, 3],
    ] as const) {
      const page = await readPage(log, "stream", after, limit);
      assert.deepEqual(page.head, positions.at(-1));
      assert.equal(page.floor, 3);
      assert.equal(page.ended, false);
    }
  });

  test("has nothing at or after the head", async ({ log }) => {
    await appendAll(log, "stream", numbered(3));
    assert.deepEqual((await readPage(log, "stream", 3, 10)).entries, []);
    assert.deepEqual((await readPage(log, "stream", 1_000_000, 10)).entries, []);
  });

  test("refuses a position or a limit that is not a whole number", async ({ log }) => {
    await log.append("stream", "event", keep());
    for (const after of [-1, 0.5, Number.NaN, Infinity]) {
      await assertFailsWith("invalid-option", () => log.read("stream", after, 10));
    }
    for (const limit of [0, -1, 1.5, Number.NaN, Infinity]) {
      await assertFailsWith("invalid-option", () => log.read("stream", 0, limit));
    }
  });
}
