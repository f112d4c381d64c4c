// Tests that a stream keeps the order of its events, and gives them out page by page.

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

/** Payloads that a careless storage takes for something else. */
const ODD_PAYLOADS = [
  "",
  " ",
  "null",
  "undefined",
  "true",
  "1e3",
  "007",
  '"quoted"',
  "{}",
  "[1,2",
  '{"__proto__":{"polluted":true},"constructor":{"prototype":{}}}',
  ":colon",
  ":base64:AAAA",
  "line\nbreak\r\n\ttab \\ backslash",
  "é e\u0301 ß 漢字 😀 \u2028 \ufffd",
  "%20 %s ${x} $1 ' -- ;",
  "\0",
  "nul \0 in the middle",
  "\u0001",
  "\u00010\u00011\u0001d800 \u0001",
];

export function orderTests(test: LogTest): void {
  test("numbers the events of a stream from 1 on, without holes", async ({ log }) => {
    const positions = await appendAll(log, "stream", numbered(50));
    assert.deepEqual(
      positions.map(({ seq }) => seq),
      range(1, 50),
    );
    assert.deepEqual(seqsOf(await readPage(log, "stream")), range(1, 50));
  });

  test("returns the events oldest first", async ({ log }) => {
    await appendAll(log, "stream", numbered(50));
    assert.deepEqual(payloadsOf(await readPage(log, "stream")), numbered(50));
  });

  test("returns each payload as it was appended, whatever it looks like", async ({ log }) => {
    await appendAll(log, "stream", ODD_PAYLOADS);
    assert.deepEqual(payloadsOf(await readPage(log, "stream")), ODD_PAYLOADS);
  });

  test("returns half a surrogate pair as it is, or as U+FFFD", async ({ log }) => {
    await appendAll(log, "stream", ["a\ud800b", "next"], keep({ maxBytes: 9 }));
    const [payload, next] = payloadsOf(await readPage(log, "stream"));
    assert.ok(payload === "a\ud800b" || payload === "a\ufffdb", JSON.stringify(payload));
    assert.equal(next, "next");
  });

  test("takes appends in the order in which they were made, awaited or not", async ({ log }) => {
    // Long and short by turns: a log that let appends overtake each other would show it.
    const payloads = numbered(100).map((text, index) => text + "x".repeat(index % 3 === 0 ? 20_000 : 0));
    const positions = await Promise.all(payloads.map((payload) => log.append("stream", payload, keep())));
    assert.deepEqual(
      positions.map(({ seq }) => seq),
      range(1, 100),
    );
    assert.deepEqual(payloadsOf(await readPage(log, "stream")), payloads);
  });

  test("keeps the order of each stream when appends to several streams are mixed", async ({ log }) => {
    const streams = ["one", "two", "three"];
    await Promise.all(
      numbered(30).flatMap((payload) =>
        streams.map((stream) => log.append(stream, `${stream} ${payload}`, keep())),
      ),
    );
    for (const stream of streams) {
      assert.deepEqual(payloadsOf(await readPage(log, stream)), numbered(30, `${stream} event `));
    }
  });

  test("shows an event to every read that begins after its append was answered", async ({ log }) => {
    for (const [index, payload] of numbered(20).entries()) {
      const { seq } = await log.append("stream", payload, keep());
      const page = await readPage(log, "stream", index);
      assert.deepEqual(page.entries, [{ seq, payload }]);
      assert.equal(page.head.seq, seq);
    }
  });
}

export function pagingTests(test: LogTest): void {
  test("knows nothing of a stream that was never written", async ({ log }) => {
    assert.equal(await log.read("stream", 0, 10), undefined);
    await log.append("other", "event", keep());
    assert.equal(await log.read("stream", 0, 10), undefined);
  });

  test("returns the oldest events after the position, at most as many as asked for", async ({ log }) => {
    await appendAll(log, "stream", numbered(25));
    assert.deepEqual(seqsOf(await readPage(log, "stream", 0, 10)), range(1, 10));
    assert.deepEqual(seqsOf(await readPage(log, "stream", 3, 1)), [4]);
    assert.deepEqual(seqsOf(await readPage(log, "stream", 20, 10)), range(21, 25));
  });

  test("gives every event exactly once to a reader who pages", async ({ log }) => {
    await appendAll(log, "stream", numbered(300));
    const seen: number[] = [];
    for (let after = 0; ; after = seen.at(-1) ?? 0) {
      const page = await readPage(log, "stream", after, 7);
      if (page.entries.length === 0) break;
      seen.push(...seqsOf(page));
    }
    assert.deepEqual(seen, range(1, 300));
  });

  test("tells the head and the floor on every page, the empty one included", async ({ log }) => {
    const positions = await appendAll(log, "stream", numbered(12), keep({ maxEvents: 10 }));
    for (const [after, limit] of [
      [0, 3],
      [5, 100],
      [12, 3],
    ] as const) {
      const page = await readPage(log, "stream", after, limit);
      assert.deepEqual(page.head, positions.at(-1));
      assert.equal(page.floor, 3);
      assert.equal(page.ended, false);
    }
  });

  test("takes any whole number as a position and as a limit", async ({ log }) => {
    await appendAll(log, "stream", numbered(3));
    assert.deepEqual(seqsOf(await readPage(log, "stream", 1, Number.MAX_SAFE_INTEGER)), [2, 3]);
    for (const after of [2 ** 31, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER]) {
      const page = await readPage(log, "stream", after, Number.MAX_SAFE_INTEGER);
      assert.deepEqual([page.entries, page.head.seq, page.floor], [[], 3, 1], `after ${after}`);
    }
  });

  test("shows a read what was answered before, and what still waits as far as it is stored", async ({
    log,
  }) => {
    await appendAll(log, "stream", numbered(3));
    const appends = range(4, 40).map((seq) => log.append("stream", `event ${seq}`, keep()));
    const page = await readPage(log, "stream");
    // What is stored while the page is read may count in the head alone, as where a page is cut short.
    const { length } = page.entries;
    assert.ok(length >= 3 && length <= page.head.seq, `${length} events, head ${page.head.seq}`);
    assert.deepEqual(payloadsOf(page), numbered(length));
    await Promise.all(appends);
  });

  test("has nothing at or after the head", async ({ log }) => {
    await appendAll(log, "stream", numbered(3));
    assert.deepEqual((await readPage(log, "stream", 3, 10)).entries, []);
    assert.deepEqual((await readPage(log, "stream", 1_000_000, 10)).entries, []);
  });

  test("refuses a position or a limit that is not a whole number", async ({ log }) => {
    await log.append("stream", "event", keep());
    for (const after of [-1, 0.5, Number.NaN, Infinity]) {
      await assertFailsWith("invalid-option", () => log.read("stream", after, 10));
    }
    for (const limit of [0, -1, 1.5, Number.NaN, Infinity]) {
      await assertFailsWith("invalid-option", () => log.read("stream", 0, limit));
    }
  });
}
