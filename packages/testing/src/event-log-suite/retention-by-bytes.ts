import assert from "node:assert/strict";
import { appendAll, keep, type LogTest, range, readPage, seqsOf } from "./fixture.js";

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
