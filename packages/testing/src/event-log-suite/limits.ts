// Tests what a log refuses, and the largest payloads that it takes.

import assert from "node:assert/strict";
import { type EventLog, MAX_STREAM_NAME_BYTES, type Retention } from "@resumable-mcp/server";
import { assertFailsWith, keep, type LogTest, numbered, payloadsOf, readPage } from "./fixture.js";

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

const MAX_PENDING_BYTES = 20_000;

/** Makes the appends at once; those that are refused must be refused as `overloaded`. */
async function appendAtOnce(
  log: EventLog,
  payloads: readonly string[],
  streams = ["stream"],
): Promise<string[]> {
  const appends = payloads.map((payload, index) =>
    log.append(streams[index % streams.length] ?? "", payload, keep()),
  );
  const results = await Promise.allSettled(appends);
  for (const result of results) {
    if (result.status === "fulfilled") continue;
    assert.ok(result.reason instanceof Error && "code" in result.reason, String(result.reason));
    assert.equal(result.reason.code, "overloaded", result.reason.message);
    assert.ok("mayHaveHappened" in result.reason && result.reason.mayHaveHappened === false);
  }
  return payloads.filter((_, index) => results[index]?.status === "fulfilled");
}

/** For logs whose appends wait for their storage. */
export function fullQueueTests(test: LogTest): void {
  test("refuses what would wait past the bound, and stores nothing of it", async ({ bounded }) => {
    const log = await bounded(MAX_PENDING_BYTES);
    const stored = await appendAtOnce(log, numbered(100, "x".repeat(600)));
    assert.ok(stored.length > 0 && stored.length * 600 <= MAX_PENDING_BYTES, `${stored.length} were stored`);
    assert.deepEqual(payloadsOf(await readPage(log, "stream")), stored);
    await log.close();
  });

  test("takes appends again once those that waited are answered", async ({ bounded }) => {
    const log = await bounded(MAX_PENDING_BYTES);
    const stored = await appendAtOnce(log, numbered(100, "x".repeat(600)));
    const { seq } = await log.append("stream", "y".repeat(600), keep());
    assert.equal(seq, stored.length + 1);
    await log.close();
  });

  test("counts something for each event, even if its payload is empty", async ({ bounded }) => {
    const log = await bounded(MAX_PENDING_BYTES);
    const stored = await appendAtOnce(log, Array<string>(1000).fill(""));
    assert.ok(stored.length < 1000, "all were stored");
    assert.equal((await readPage(log, "stream")).head.seq, stored.length);
    await log.close();
  });

  test("counts what waits in all streams together", async ({ bounded }) => {
    const log = await bounded(MAX_PENDING_BYTES);
    const streams = numbered(50, "stream ");
    const stored = await appendAtOnce(log, numbered(50, "x".repeat(600)), streams);
    assert.ok(stored.length > 0 && stored.length * 600 <= MAX_PENDING_BYTES, `${stored.length} were stored`);
    await log.close();
  });

  test("takes one event alone, whatever its size", async ({ bounded }) => {
    const log = await bounded(1);
    const payload = "x".repeat(10_000);
    await log.append("stream", payload, keep());
    assert.deepEqual(payloadsOf(await readPage(log, "stream")), [payload]);
    await log.close();
  });

  test("ends, deletes and reads streams all the same", async ({ bounded }) => {
    const log = await bounded(MAX_PENDING_BYTES);
    await log.append("ended", "event", keep());
    await log.append("deleted", "event", keep());
    const appends = appendAtOnce(log, numbered(100, "x".repeat(600)));
    await Promise.all([log.end("ended"), log.delete("deleted"), log.read("stream", 0, 10)]);
    assert.ok((await appends).length < 100, "the queue was not full");
    assert.equal((await readPage(log, "ended")).ended, true);
    assert.equal(await log.read("deleted", 0, 10), undefined);
    await log.close();
  });
}
