import assert from "node:assert/strict";
import { keep, type LogTest, payloadsOf, readPage } from "./fixture.js";

const MEBIBYTE = 1024 * 1024;

export function largePayloadTests(test: LogTest): void {
  test("keeps payloads of one mebibyte whole", async ({ log }) => {
    const payloads = ["x".repeat(MEBIBYTE), "é".repeat(MEBIBYTE / 2), '{"a":"\\n"}'.repeat(MEBIBYTE / 10)];
    for (const payload of payloads) await log.append("stream", payload, keep());
    for (const [index, payload] of payloads.entries()) {
      const [entry] = (await readPage(log, "stream", index, 1)).entries;
      // Not deepEqual: a report of two mebibytes that differ helps nobody.
      assert.ok(entry?.payload === payload, `payload ${index + 1} came back changed`);
    }
  });

  test("keeps small and large payloads in order when they are appended at once", async ({ log }) => {
    const payloads = Array.from({ length: 12 }, (_, index) =>
      index % 2 === 0 ? `small ${index}` : "x".repeat(MEBIBYTE / 2) + String(index),
    );
    await Promise.all(payloads.map((payload) => log.append("stream", payload, keep())));
    const read = payloadsOf(await readPage(log, "stream"));
    assert.deepEqual(
      read.map((payload) => payload.slice(-8)),
      payloads.map((payload) => payload.slice(-8)),
    );
    assert.deepEqual(
      read.map((payload) => payload.length),
      payloads.map((payload) => payload.length),
    );
  });
}
