import assert from "node:assert/strict";
import { appendAll, keep, type LogTest, numbered, readPage } from "./fixture.js";

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
