import assert from "node:assert/strict";
import { appendAll, keep, type LogTest, numbered, payloadsOf, readPage } from "./fixture.js";

export function deletionTests(test: LogTest): void {
  test("forgets a deleted stream", async ({ log }) => {
    await appendAll(log, "stream", numbered(200));
    await log.delete("stream");
    assert.equal(await log.read("stream", 0, 10), undefined);
  });

  test("starts a deleted stream anew, with nothing of the old one", async ({ log }) => {
    await appendAll(log, "stream", numbered(10), keep({ maxEvents: 5 }));
    await log.delete("stream");
    await log.append("stream", "new", keep());
    const page = await readPage(log, "stream");
    assert.deepEqual(page.entries, [{ seq: 1, payload: "new" }]);
    assert.deepEqual([page.floor, page.head.seq, page.ended], [1, 1, false]);
  });

  test("deletes what is not there without harm", async ({ log }) => {
    await log.delete("stream");
    await log.append("stream", "event", keep());
    await log.delete("stream");
    await log.delete("stream");
    assert.equal(await log.read("stream", 0, 10), undefined);
  });

  test("takes its place in the order of calls, awaited or not", async ({ log }) => {
    const old = log.append("stream", "old", keep());
    const deleted = log.delete("stream");
    const young = log.append("stream", "young", keep());
    await deleted;
    const [before, after] = [await old, await young];
    assert.deepEqual([before.seq, after.seq], [1, 1]);
    assert.notEqual(before.epoch, after.epoch);
    assert.deepEqual(payloadsOf(await readPage(log, "stream")), ["young"]);
  });

  test("deletes a thousand streams and keeps the others", async ({ log }) => {
    const streams = numbered(1000, "stream ");
    await Promise.all(streams.map((stream) => log.append(stream, stream, keep())));
    await Promise.all(streams.filter((_, index) => index % 10 !== 0).map((stream) => log.delete(stream)));
    for (const [index, stream] of streams.entries()) {
      const page = await log.read(stream, 0, 10);
      assert.deepEqual(page?.entries, index % 10 === 0 ? [{ seq: 1, payload: stream }] : undefined);
    }
  });
}
