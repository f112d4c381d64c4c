import assert from "node:assert/strict";
import { appendAll, keep, type LogTest, numbered, readPage, seqsOf } from "./fixture.js";

export function retentionByAgeTests(test: LogTest): void {
  test("does not return an event older than the limit", async ({ log, elapse, unitMs }) => {
    await appendAll(log, "stream", numbered(3), keep({ ttlMs: unitMs }));
    assert.deepEqual(seqsOf(await readPage(log, "stream")), [1, 2, 3]);
    await elapse(unitMs * 1.5);
    const page = await readPage(log, "stream");
    assert.deepEqual([page.entries, page.floor, page.head.seq], [[], 4, 3]);
  });

  test("returns the younger events when the older ones have expired", async ({ log, elapse, unitMs }) => {
    const retention = keep({ ttlMs: 2 * unitMs });
    await appendAll(log, "stream", numbered(3), retention);
    await elapse(unitMs * 1.5);
    await appendAll(log, "stream", ["event 4", "event 5"], retention);
    await elapse(unitMs);
    const page = await readPage(log, "stream");
    assert.deepEqual([seqsOf(page), page.floor, page.head.seq], [[4, 5], 4, 5]);
  });

  test("keeps events for ever without a limit", async ({ log, elapse, unitMs }) => {
    await appendAll(log, "stream", numbered(2), keep({ ttlMs: null, headTtlMs: unitMs }));
    await elapse(unitMs * 2);
    assert.deepEqual(seqsOf(await readPage(log, "stream")), [1, 2]);
  });

  test("expires each stream by its own limit", async ({ log, elapse, unitMs }) => {
    await appendAll(log, "short", numbered(2), keep({ ttlMs: unitMs }));
    await appendAll(log, "long", numbered(2), keep({ ttlMs: 100 * unitMs }));
    await elapse(unitMs * 1.5);
    assert.deepEqual(seqsOf(await readPage(log, "short")), []);
    assert.deepEqual(seqsOf(await readPage(log, "long")), [1, 2]);
  });

  test("does not bring back what has expired when the limit grows", async ({ log, elapse, unitMs }) => {
    await appendAll(log, "stream", numbered(2), keep({ ttlMs: unitMs }));
    await elapse(unitMs * 1.5);
    await log.append("stream", "event 3", keep({ ttlMs: 100 * unitMs }));
    const page = await readPage(log, "stream");
    assert.deepEqual([seqsOf(page), page.floor], [[3], 3]);
  });
}
