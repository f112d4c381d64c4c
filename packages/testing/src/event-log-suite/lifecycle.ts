// Tests the end of a stream, its deletion, and the closing of the log.

import assert from "node:assert/strict";
import { appendAll, assertFailsWith, keep, type LogTest, numbered, payloadsOf, readPage } from "./fixture.js";
import { nextWake, WAKE_LIMIT_MS } from "./wake-ups.js";

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

export function closingTests(test: LogTest): void {
  test("refuses every call after close", async ({ log }) => {
    await log.append("stream", "event", keep());
    await log.close();
    await assertFailsWith("closed", () => log.append("stream", "late", keep()));
    await assertFailsWith("closed", () => log.read("stream", 0, 10));
    await assertFailsWith("closed", () => log.subscribe("stream", () => undefined));
    await assertFailsWith("closed", () => log.end("stream"));
    await assertFailsWith("closed", () => log.delete("stream"));
  });

  test("closes twice without harm", async ({ log }) => {
    await log.close();
    await log.close();
    await assertFailsWith("closed", () => log.read("stream", 0, 10));
  });

  test("settles every call that was made before close", async ({ log }) => {
    const calls = [
      ...Array.from({ length: 20 }, (_, index) => log.append("stream", `event ${index}`, keep())),
      log.read("stream", 0, 10),
      log.end("stream"),
      log.delete("stream"),
    ];
    await log.close();
    // A call either took effect or says that the log was closed; none hangs, none fails in another way.
    for (const result of await Promise.allSettled(calls)) {
      if (result.status === "fulfilled") continue;
      const reason: unknown = result.reason;
      assert.ok(reason instanceof Error && "code" in reason && reason.code === "closed", String(reason));
    }
  });

  test("wakes those who still subscribe, so that nobody waits for a closed log", async ({ log }) => {
    const wake = nextWake(log, "stream");
    await log.close();
    assert.ok(await wake.within(WAKE_LIMIT_MS), "no wake-up");
    wake.unsubscribe();
  });

  test("takes an unsubscribe after close", async ({ log }) => {
    const unsubscribe = log.subscribe("stream", () => undefined);
    await log.close();
    unsubscribe();
  });
}
