import assert from "node:assert/strict";
import { appendAll, assertFailsWith, keep, type LogTest, numbered, payloadsOf, readPage } from "./fixture.js";

export function endingTests(test: LogTest): void {
  test("takes no more appends after the end", async ({ log }) => {
    await appendAll(log, "stream", numbered(3));
    await log.end("stream");
    await assertFailsWith("ended", () => log.append("stream", "late", keep()));
    assert.deepEqual(payloadsOf(await readPage(log, "stream")), numbered(3));
  });

  test("keeps an ended stream for replay, and says that it has ended", async ({ log }) => {
    const positions = await appendAll(log, "stream", numbered(3));
    assert.equal((await readPage(log, "stream")).ended, false);
    await log.end("stream");
    const page = await readPage(log, "stream", 1);
    assert.deepEqual(payloadsOf(page), ["event 2", "event 3"]);
    assert.deepEqual([page.ended, page.head, page.floor], [true, positions.at(-1), 1]);
  });

  test("ends a stream twice without harm", async ({ log }) => {
    await appendAll(log, "stream", numbered(2));
    await log.end("stream");
    await log.end("stream");
    const page = await readPage(log, "stream");
    assert.deepEqual([page.ended, page.entries.length], [true, 2]);
  });

  test("has nothing to end where nothing was written", async ({ log }) => {
    await log.end("stream");
    assert.equal(await log.read("stream", 0, 10), undefined);
    const { seq } = await log.append("stream", "event", keep());
    assert.equal(seq, 1);
  });

  test("takes its place in the order of calls, awaited or not", async ({ log }) => {
    const early = log.append("stream", "early", keep());
    const ended = log.end("stream");
    const late = log.append("stream", "late", keep()).then(
      () => "stored",
      (error: unknown) => error,
    );
    assert.equal((await early).seq, 1);
    await ended;
    assert.ok((await late) instanceof Error, "the late append was stored");
    assert.deepEqual(payloadsOf(await readPage(log, "stream")), ["early"]);
  });

  test("starts anew after an ended stream was deleted", async ({ log }) => {
    const before = await log.append("stream", "old", keep());
    await log.end("stream");
    await log.delete("stream");
    const after = await log.append("stream", "new", keep());
    assert.equal(after.seq, 1);
    assert.notEqual(after.epoch, before.epoch);
    const page = await readPage(log, "stream");
    assert.deepEqual([payloadsOf(page), page.ended], [["new"], false]);
  });
}
