import assert from "node:assert/strict";
import { appendAll, keep, type LogTest, numbered, payloadsOf, range, readPage, seqsOf } from "./fixture.js";

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
