// Tests the head, the floor and the epoch of a stream, which tell "nothing new" from "something was lost".

import assert from "node:assert/strict";
import { appendAll, keep, type LogTest, numbered, readPage } from "./fixture.js";

/** What tells "nothing new" from "something was lost". */
export function floorAndHeadTests(test: LogTest): void {
  test("keeps the head of a silent stream whose events have expired", async ({ log, elapse, unitMs }) => {
    const retention = keep({ ttlMs: unitMs, headTtlMs: 100 * unitMs });
    const positions = await appendAll(log, "stream", numbered(3), retention);
    await elapse(unitMs * 3);
    const page = await readPage(log, "stream", 3);
    assert.deepEqual(page, { entries: [], head: positions.at(-1), floor: 4, ended: false });
  });

  test("goes on with the same epoch and numbers after a silence", async ({ log, elapse, unitMs }) => {
    const retention = keep({ ttlMs: unitMs, headTtlMs: 100 * unitMs });
    const positions = await appendAll(log, "stream", numbered(3), retention);
    await elapse(unitMs * 3);
    const next = await log.append("stream", "event 4", retention);
    assert.deepEqual(next, { epoch: positions[0]?.epoch, seq: 4 });
    const page = await readPage(log, "stream");
    assert.deepEqual([page.entries, page.floor], [[{ seq: 4, payload: "event 4" }], 4]);
  });

  test("counts the time of a silence from the last append", async ({ log, elapse, unitMs }) => {
    const retention = keep({ ttlMs: unitMs, headTtlMs: 4 * unitMs });
    const first = await log.append("stream", "event 1", retention);
    await elapse(unitMs * 3);
    await log.append("stream", "event 2", retention);
    await elapse(unitMs * 3);
    const page = await readPage(log, "stream");
    assert.deepEqual([page.head, page.floor], [{ epoch: first.epoch, seq: 2 }, 3]);
  });

  test("forgets a stream that was silent for too long", async ({ log, elapse, unitMs }) => {
    const retention = keep({ ttlMs: unitMs, headTtlMs: 2 * unitMs });
    const before = await log.append("stream", "event", retention);
    await elapse(unitMs * 3.5);
    assert.equal(await log.read("stream", 0, 10), undefined);
    const after = await log.append("stream", "event", retention);
    assert.equal(after.seq, 1);
    assert.notEqual(after.epoch, before.epoch);
  });

  test("never forgets a stream while its events may be read", async ({ log, elapse, unitMs }) => {
    await log.append("stream", "event", keep({ ttlMs: 100 * unitMs, headTtlMs: unitMs }));
    await elapse(unitMs * 2);
    assert.equal((await readPage(log, "stream")).entries.length, 1);
  });

  test("forgets a stream that has ended with its last event", async ({ log, elapse, unitMs }) => {
    await appendAll(log, "stream", numbered(2), keep({ ttlMs: unitMs, headTtlMs: 100 * unitMs }));
    await log.end("stream");
    assert.equal((await readPage(log, "stream")).entries.length, 2);
    await elapse(unitMs * 2.5);
    assert.equal(await log.read("stream", 0, 10), undefined);
  });

  test("says by the floor how many events after a position are gone", async ({ log }) => {
    await appendAll(log, "stream", numbered(100), keep({ maxEvents: 10 }));
    const page = await readPage(log, "stream", 42);
    assert.equal(page.floor - (42 + 1), 48);
    assert.equal(page.entries[0]?.seq, page.floor);
  });
}

export function epochTests(test: LogTest): void {
  test("gives every position and page of a stream the same epoch", async ({ log }) => {
    const positions = await appendAll(log, "stream", numbered(10), keep({ maxEvents: 3 }));
    const { head } = await readPage(log, "stream");
    assert.deepEqual([...new Set(positions.map(({ epoch }) => epoch))], [head.epoch]);
  });

  test("mints an epoch for each stream, fit for an HTTP header and an event id", async ({ log }) => {
    const epochs = new Set<string>();
    for (const stream of numbered(50, "stream ")) {
      const { epoch } = await log.append(stream, "event", keep());
      assert.match(epoch, /^[\w.~-]{8,64}$/);
      epochs.add(epoch);
    }
    assert.equal(epochs.size, 50);
  });

  test("mints another epoch after a delete", async ({ log }) => {
    const epochs = new Set<string>();
    for (const payload of numbered(5)) {
      const { epoch, seq } = await log.append("stream", payload, keep());
      assert.equal(seq, 1);
      epochs.add(epoch);
      await log.delete("stream");
    }
    assert.equal(epochs.size, 5);
  });
}

/** For logs whose storage others can empty. */
export function flushTests(test: LogTest): void {
  test("never gives a position twice, nor returns what is gone, after a flush", async ({ log, flush }) => {
    const before = await appendAll(log, "stream", numbered(5));
    await flush();
    const after = await log.append("stream", "new", keep());
    // Either another epoch, or a log that still knows how far it had come.
    assert.ok(
      after.epoch !== before[0]?.epoch || after.seq > 5,
      `${after.epoch} ${after.seq} was given before`,
    );
    const page = await readPage(log, "stream");
    assert.deepEqual(page.entries, [{ seq: after.seq, payload: "new" }]);
    assert.deepEqual([page.head, page.floor], [after, after.seq]);
  });

  test("knows nothing of a flushed stream, or tells that its events are gone", async ({ log, flush }) => {
    await appendAll(log, "stream", numbered(5));
    await flush();
    const page = await log.read("stream", 0, 10);
    if (page !== undefined) assert.deepEqual([page.entries, page.floor, page.head.seq], [[], 6, 5]);
  });
}
