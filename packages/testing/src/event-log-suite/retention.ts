// Tests that a stream keeps what its retention allows, by count, by bytes and by age.

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

  test("goes by the whole part of a limit, and takes Infinity for none", async ({ log }) => {
    await appendAll(log, "fraction", numbered(10), keep({ maxEvents: 2.5 }));
    assert.deepEqual(seqsOf(await readPage(log, "fraction")), [9, 10]);
    const unlimited = { maxEvents: Infinity, maxBytes: Infinity, ttlMs: Infinity, headTtlMs: Infinity };
    await appendAll(log, "infinity", numbered(10), unlimited);
    assert.deepEqual(seqsOf(await readPage(log, "infinity")), range(1, 10));
  });

  test("counts each stream by itself", async ({ log }) => {
    await appendAll(log, "one", numbered(5), keep({ maxEvents: 2 }));
    await appendAll(log, "two", numbered(5), keep({ maxEvents: 4 }));
    assert.deepEqual(seqsOf(await readPage(log, "one")), [4, 5]);
    assert.deepEqual(seqsOf(await readPage(log, "two")), [2, 3, 4, 5]);
  });
}

export function retentionByBytesTests(test: LogTest): void {
  test("keeps the newest events whose payloads together do not exceed the limit", async ({ log }) => {
    const retention = keep({ maxBytes: 1000 });
    for (const seq of range(1, 20)) {
      await log.append("stream", "x".repeat(300), retention);
      assert.deepEqual(seqsOf(await readPage(log, "stream")), range(Math.max(1, seq - 2), seq));
    }
  });

  test("keeps what takes exactly the limit", async ({ log }) => {
    await appendAll(log, "stream", ["x".repeat(600), "y".repeat(400)], keep({ maxBytes: 1000 }));
    assert.deepEqual(seqsOf(await readPage(log, "stream")), [1, 2]);
    await log.append("stream", "z", keep({ maxBytes: 1000 }));
    assert.deepEqual(seqsOf(await readPage(log, "stream")), [2, 3]);
  });

  test("counts bytes of UTF-8, not characters", async ({ log }) => {
    // 2, 3 and 4 bytes each: 100 characters of the first kind, 100 of the second, 50 of the third (two units each).
    for (const [stream, character, count, bytes] of [
      ["two", "é", 100, 200],
      ["three", "漢", 100, 300],
      ["four", "😀", 50, 200],
    ] as const) {
      await appendAll(log, stream, ["old", character.repeat(count)], keep({ maxBytes: bytes + 3 }));
      assert.deepEqual(seqsOf(await readPage(log, stream)), [1, 2], `${bytes + 3} bytes`);
      await log.delete(stream);
      await appendAll(log, stream, ["old", character.repeat(count)], keep({ maxBytes: bytes + 2 }));
      assert.deepEqual(seqsOf(await readPage(log, stream)), [2], `${bytes + 2} bytes`);
    }
  });

  test("numbers an event that alone exceeds the limit, and does not keep it", async ({ log }) => {
    const retention = keep({ maxBytes: 100 });
    await log.append("stream", "small", retention);
    const { seq } = await log.append("stream", "x".repeat(101), retention);
    assert.equal(seq, 2);
    const empty = await readPage(log, "stream");
    assert.deepEqual([empty.entries, empty.floor, empty.head.seq], [[], 3, 2]);
    await log.append("stream", "next", retention);
    const page = await readPage(log, "stream");
    assert.deepEqual(page.entries, [{ seq: 3, payload: "next" }]);
    assert.equal(page.floor, 3);
  });

  test("applies the limits of count and bytes together", async ({ log }) => {
    const retention = keep({ maxEvents: 3, maxBytes: 100 });
    await appendAll(log, "stream", ["x", "x", "x", "x"], retention);
    assert.deepEqual(seqsOf(await readPage(log, "stream")), [2, 3, 4]);
    await log.append("stream", "x".repeat(99), retention);
    assert.deepEqual(seqsOf(await readPage(log, "stream")), [4, 5]);
  });
}

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
