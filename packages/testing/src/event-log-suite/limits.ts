import assert from "node:assert/strict";
import { type EventLog, MAX_STREAM_NAME_BYTES, type Retention } from "@resumable-mcp/server";
import { assertFailsWith, keep, type LogTest, payloadsOf, readPage } from "./fixture.js";

const CALLS: Readonly<Record<string, (log: EventLog, stream: string) => unknown>> = {
  append: (log, stream) => log.append(stream, "event", keep()),
  read: (log, stream) => log.read(stream, 0, 10),
  subscribe: (log, stream) => log.subscribe(stream, () => undefined),
  end: (log, stream) => log.end(stream),
  delete: (log, stream) => log.delete(stream),
};

export function limitTests(test: LogTest): void {
  test("refuses a payload over the limit, and writes nothing of it", async ({ log, maxPayloadBytes }) => {
    const tooLarge = "x".repeat(maxPayloadBytes + 1);
    await assertFailsWith("payload-too-large", () => log.append("stream", tooLarge, keep()));
    assert.equal(await log.read("stream", 0, 10), undefined);
    await log.append("stream", "before", keep());
    await assertFailsWith("payload-too-large", () => log.append("stream", tooLarge, keep()));
    const { seq } = await log.append("stream", "after", keep());
    assert.equal(seq, 2);
    assert.deepEqual(payloadsOf(await readPage(log, "stream")), ["before", "after"]);
  });

  test("counts a payload in bytes of UTF-8", async ({ log, maxPayloadBytes }) => {
    const tooLarge = "漢".repeat(Math.floor(maxPayloadBytes / 3) + 1);
    await assertFailsWith("payload-too-large", () => log.append("stream", tooLarge, keep()));
  });

  for (const [method, call] of Object.entries(CALLS)) {
    test(`refuses a stream name over the limit in ${method}`, async ({ log }) => {
      for (const name of [
        "a".repeat(MAX_STREAM_NAME_BYTES + 1),
        "漢".repeat(Math.floor(MAX_STREAM_NAME_BYTES / 3) + 1),
      ]) {
        await assertFailsWith("invalid-stream", () => call(log, name));
      }
    });
  }

  test("refuses a retention that makes no sense, and writes nothing", async ({ log }) => {
    const bad: Partial<Retention>[] = [
      { maxEvents: -1 },
      { maxBytes: -1 },
      { ttlMs: -1 },
      { headTtlMs: -1 },
      { maxEvents: Number.NaN },
    ];
    for (const limits of bad) {
      await assertFailsWith("invalid-option", () => log.append("stream", "event", keep(limits)));
    }
    assert.equal(await log.read("stream", 0, 10), undefined);
  });
}
