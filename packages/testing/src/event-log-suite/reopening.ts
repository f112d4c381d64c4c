// Tests that the next process finds what the one before it has stored.

import assert from "node:assert/strict";
import {
  appendAll,
  assertFailsWith,
  keep,
  type LogTest,
  numbered,
  payloadsOf,
  range,
  readPage,
  seqsOf,
} from "./fixture.js";

/** For logs that outlive their process. */
export function reopeningTests(test: LogTest): void {
  test("finds every event, the floor and the head again", async ({ log, reopen }) => {
    await appendAll(log, "stream", numbered(150), keep({ maxEvents: 100 }));
    const before = await readPage(log, "stream");
    await log.close();
    const next = await reopen();
    assert.deepEqual(await readPage(next, "stream"), before);
    await next.close();
  });

  test("goes on with the same epoch and numbers, as often as it is reopened", async ({ log, reopen }) => {
    const { epoch } = await log.append("stream", "event 1", keep());
    await log.close();
    for (const seq of range(2, 6)) {
      const next = await reopen();
      assert.deepEqual(await next.append("stream", `event ${seq}`, keep()), { epoch, seq });
      assert.deepEqual(payloadsOf(await readPage(next, "stream")), numbered(seq));
      await next.close();
    }
  });

  test("keeps what was appended without waiting, once close was answered", async ({ log, reopen }) => {
    const appends = Promise.all(numbered(50).map((payload) => log.append("stream", payload, keep())));
    await appends;
    await log.close();
    const next = await reopen();
    assert.deepEqual(payloadsOf(await readPage(next, "stream")), numbered(50));
    await next.close();
  });

  test("remembers that a stream has ended, and that one was deleted", async ({ log, reopen }) => {
    await appendAll(log, "ended", numbered(2));
    await log.end("ended");
    await appendAll(log, "deleted", numbered(2));
    await log.delete("deleted");
    await log.close();
    const next = await reopen();
    assert.equal((await readPage(next, "ended")).ended, true);
    await assertFailsWith("ended", () => next.append("ended", "late", keep()));
    assert.equal(await next.read("deleted", 0, 10), undefined);
    await next.close();
  });

  test("keeps the head of a silent stream over a restart", async ({ log, reopen, elapse, unitMs }) => {
    const retention = keep({ ttlMs: unitMs, headTtlMs: 100 * unitMs });
    const positions = await appendAll(log, "stream", numbered(70), retention);
    await log.close();
    await elapse(3 * unitMs);
    const next = await reopen();
    assert.deepEqual(await readPage(next, "stream", 70), {
      entries: [],
      head: positions.at(-1),
      floor: 71,
      ended: false,
    });
    assert.deepEqual(await next.append("stream", "event 71", retention), {
      epoch: positions[0]?.epoch,
      seq: 71,
    });
    await next.close();
  });

  test("does not bring back what retention had dropped", async ({ log, reopen, elapse, unitMs }) => {
    await appendAll(log, "count", numbered(20), keep({ maxEvents: 3 }));
    await log.append("count", "event 21", keep({ maxEvents: 100 }));
    await appendAll(log, "age", numbered(3), keep({ ttlMs: unitMs }));
    await elapse(1.5 * unitMs);
    await log.append("age", "event 4", keep({ ttlMs: 100 * unitMs }));
    await log.close();
    const next = await reopen();
    assert.deepEqual(seqsOf(await readPage(next, "count")), range(18, 21));
    assert.deepEqual(seqsOf(await readPage(next, "age")), [4]);
    await next.close();
  });

  test("goes on with limits that are not whole, or infinite", async ({ log, reopen }) => {
    const unlimited = { maxEvents: Infinity, maxBytes: Infinity, ttlMs: Infinity, headTtlMs: Infinity };
    await appendAll(log, "fraction", numbered(9), keep());
    await log.append("fraction", "event 10", keep({ maxEvents: 2.5 }));
    await appendAll(log, "infinity", numbered(10), unlimited);
    await log.close();
    const next = await reopen();
    assert.deepEqual(seqsOf(await readPage(next, "fraction")), [9, 10]);
    await next.append("fraction", "event 11", keep({ maxEvents: 2.5 }));
    assert.deepEqual(seqsOf(await readPage(next, "fraction")), [10, 11]);
    await next.append("infinity", "event 11", unlimited);
    assert.deepEqual(seqsOf(await readPage(next, "infinity")), range(1, 11));
    await next.close();
  });

  test("goes on trimming what was written before", async ({ log, reopen }) => {
    const retention = keep({ maxEvents: 10, maxBytes: 1000 });
    await appendAll(log, "stream", numbered(10), retention);
    await log.close();
    const next = await reopen();
    await next.append("stream", "x".repeat(980), retention);
    assert.deepEqual(seqsOf(await readPage(next, "stream")), range(9, 11));
    await next.close();
  });
}
