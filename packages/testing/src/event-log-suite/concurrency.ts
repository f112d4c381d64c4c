// Tests that appends made at once keep a stream whole, in one process and in several.

import assert from "node:assert/strict";
import type { EventLog, Position } from "@resumable-mcp/server";
import { appendAll, keep, type LogTest, numbered, range, readPage, seqsOf } from "./fixture.js";
import { nextWake } from "./wake-ups.js";

const APPENDERS = 32;
const APPENDS_EACH = 10;

/** Several appenders at once on one stream; each awaits its own appends. */
async function appendFrom(logs: readonly EventLog[]): Promise<Map<string, Position>> {
  const positions = new Map<string, Position>();
  const appenders = range(1, APPENDERS).map(async (appender) => {
    const log = logs[appender % logs.length];
    assert.ok(log !== undefined);
    for (const number of range(1, APPENDS_EACH)) {
      const payload = `${appender}/${number}`;
      positions.set(payload, await log.append("stream", payload, keep()));
    }
  });
  await Promise.all(appenders);
  return positions;
}

async function assertConsistent(log: EventLog, positions: Map<string, Position>): Promise<void> {
  const page = await readPage(log, "stream");
  assert.deepEqual(seqsOf(page), range(1, APPENDERS * APPENDS_EACH), "the stream has holes or repeats");
  const lastOf = new Map<string, number>();
  for (const { seq, payload } of page.entries) {
    assert.deepEqual(positions.get(payload), { epoch: page.head.epoch, seq }, `position of ${payload}`);
    const [appender = "", number = ""] = payload.split("/");
    assert.equal(Number(number), (lastOf.get(appender) ?? 0) + 1, `appender ${appender} out of order`);
    lastOf.set(appender, Number(number));
  }
}

export function concurrencyTests(test: LogTest): void {
  test(`gives ${APPENDERS} appenders on one stream positions of their own, without holes`, async ({
    log,
  }) => {
    await assertConsistent(log, await appendFrom([log]));
  });

  test("keeps retention under concurrent appends", async ({ log }) => {
    const retention = keep({ maxEvents: 10 });
    await Promise.all(numbered(200).map((payload) => log.append("stream", payload, retention)));
    const page = await readPage(log, "stream");
    assert.deepEqual(
      page.entries,
      range(191, 200).map((seq) => ({ seq, payload: `event ${seq}` })),
    );
    assert.equal(page.floor, 191);
  });

  test("lets many streams be written at once", async ({ log }) => {
    const streams = numbered(100, "stream ");
    await Promise.all(streams.map((stream) => appendAll(log, stream, [stream, stream])));
    for (const stream of streams) {
      const page = await readPage(log, stream);
      assert.deepEqual(page.entries, [
        { seq: 1, payload: stream },
        { seq: 2, payload: stream },
      ]);
    }
  });

  test("returns pages without holes while the stream is written and trimmed", async ({ log }) => {
    const retention = keep({ maxEvents: 20 });
    await log.append("stream", "event 1", retention);
    const writing = Promise.all(
      range(2, 300).map((seq) => log.append("stream", `event ${seq}`, retention)),
    ).then(() => true);
    let isDone: boolean;
    do {
      isDone = await Promise.race([writing, Promise.resolve(false)]);
      const page = await readPage(log, "stream", 0, 50);
      const first = page.entries[0]?.seq ?? page.floor;
      assert.deepEqual(
        page.entries,
        range(first, first + page.entries.length - 1).map((seq) => ({ seq, payload: `event ${seq}` })),
      );
      assert.equal(first, page.floor);
      // A log may write in a later turn of the event loop, which reads that answer at once would keep from coming.
      await new Promise((resolve) => setTimeout(resolve, 0));
    } while (!isDone);
  });
}

/** For logs that several processes may append to. */
export function severalProcessesTests(test: LogTest): void {
  test(`gives ${APPENDERS} appenders in two processes positions of their own, without holes`, async (context) => {
    const other = await context.another();
    const positions = await appendFrom([context.log, other]);
    await assertConsistent(context.log, positions);
    await assertConsistent(other, positions);
    await other.close();
  });

  test("wakes a subscriber after an append of another process", async (context) => {
    const other = await context.another();
    let wake = nextWake(context.log, "stream");
    // A subscription may take a moment to reach the storage; until then a wake-up may be missed, but not for ever. One
    // may also come for nothing, as when the subscription has arrived: it is followed by another.
    let tries = 1;
    while (!(await wake.within(500)) || (await context.log.read("stream", 0, 10)) === undefined) {
      tries += 1;
      assert.ok(tries <= 40, "no wake-up within 20 s");
      const before = wake;
      wake = nextWake(context.log, "stream");
      before.unsubscribe();
      await other.append("stream", "event", keep());
    }
    assert.ok((await readPage(context.log, "stream")).entries.length > 0);
    wake.unsubscribe();
    await other.close();
  });

  test("ends and deletes a stream for the other processes too", async (context) => {
    const other = await context.another();
    const before = await context.log.append("stream", "event", keep());
    await other.end("stream");
    assert.equal((await readPage(context.log, "stream")).ended, true);
    await assert.rejects(context.log.append("stream", "late", keep()), { code: "ended" });
    await other.delete("stream");
    assert.equal(await context.log.read("stream", 0, 10), undefined);
    const after = await context.log.append("stream", "new", keep());
    assert.notEqual(after.epoch, before.epoch);
    assert.equal(after.seq, 1);
    await other.close();
  });
}
