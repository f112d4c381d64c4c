import assert from "node:assert/strict";
import { appendAll, keep, type LogTest, numbered, range, readPage, seqsOf } from "./fixture.js";

export function retentionByCountTests(test: LogTest): void {
  test("keeps the newest events, as many as allowed, after each append", async ({ log }) => {
    for (const seq of range(1, 40)) {
      await log.append("stream", `event ${seq}`, keep({ maxEvents: 5 }));
      const page = await readPage(log, "stream");
      const floor = Math.max(1, seq - 4);
      assert.deepEqual(
        page.entries,
        range(floor, seq).map((kept) => ({ seq: kept, payload: `event ${kept}` })),
      );
      assert.equal(page.floor, floor);
    }
  });

  test("keeps one event when one is allowed", async ({ log }) => {
    await appendAll(log, "stream", numbered(3), keep({ maxEvents: 1 }));
    assert.deepEqual((await readPage(log, "stream")).entries, [{ seq: 3, payload: "event 3" }]);
  });

  test("numbers and forgets at once when none is allowed", async ({ log }) => {
    await appendAll(log, "stream", numbered(3), keep({ maxEvents: 0 }));
    const page = await readPage(log, "stream");
    assert.deepEqual(page.entries, []);
    assert.equal(page.head.seq, 3);
    assert.equal(page.floor, 4);
  });

  test("keeps every event without a limit", async ({ log }) => {
    await appendAll(log, "stream", numbered(500));
    const page = await readPage(log, "stream");
    assert.deepEqual(seqsOf(page), range(1, 500));
    assert.equal(page.floor, 1);
  });

  test("goes by the limit of the last append", async ({ log }) => {
    await appendAll(log, "stream", numbered(10), keep({ maxEvents: 10 }));
    await log.append("stream", "event 11", keep({ maxEvents: 2 }));
    assert.deepEqual(seqsOf(await readPage(log, "stream")), [10, 11]);
  });

  test("does not bring back what it dropped when more is allowed", async ({ log }) => {
    await appendAll(log, "stream", numbered(10), keep({ maxEvents: 2 }));
    await log.append("stream", "event 11", keep({ maxEvents: 10 }));
    assert.deepEqual(seqsOf(await readPage(log, "stream")), [9, 10, 11]);
  });

  test("counts each stream by itself", async ({ log }) => {
    await appendAll(log, "one", numbered(5), keep({ maxEvents: 2 }));
    await appendAll(log, "two", numbered(5), keep({ maxEvents: 4 }));
    assert.deepEqual(seqsOf(await readPage(log, "one")), [4, 5]);
    assert.deepEqual(seqsOf(await readPage(log, "two")), [2, 3, 4, 5]);
  });
}
