// Tests that subscribers are woken, and lose nothing.

import assert from "node:assert/strict";
import type { EventLog } from "@resumable-mcp/server";
import { keep, type LogTest, numbered, readPage } from "./fixture.js";

export interface Wake {
  /** Whether the wake-up came, now or within so many milliseconds. */
  within(ms: number): Promise<boolean>;
  /** How often it came so far. */
  count(): number;
  unsubscribe(): void;
}

/** Subscribes, and waits for the wake-up. */
export function nextWake(log: EventLog, stream: string): Wake {
  let count = 0;
  let wakeWaiters: () => void = () => undefined;
  const woken = new Promise<boolean>((resolve) => {
    wakeWaiters = () => resolve(true);
  });
  const unsubscribe = log.subscribe(stream, () => {
    count += 1;
    wakeWaiters();
  });
  return {
    async within(ms) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const tooLate = new Promise<boolean>((resolve) => {
        timer = setTimeout(() => resolve(false), ms);
      });
      try {
        return await Promise.race([woken, tooLate]);
      } finally {
        clearTimeout(timer);
      }
    },
    count: () => count,
    unsubscribe,
  };
}

/** Enough for a busy machine; what comes at all comes in milliseconds. */
export const WAKE_LIMIT_MS = 20_000;

export function wakeUpTests(test: LogTest): void {
  test("wakes a subscriber after an append", async ({ log }) => {
    const wake = nextWake(log, "stream");
    await log.append("stream", "event", keep());
    assert.ok(await wake.within(WAKE_LIMIT_MS), "no wake-up");
    assert.equal((await readPage(log, "stream")).entries.length, 1);
    wake.unsubscribe();
  });

  test("wakes each subscriber of a stream, also the same function twice", async ({ log }) => {
    const wakes = [1, 2, 3].map(() => nextWake(log, "stream"));
    let calls = 0;
    const count = (): void => {
      calls += 1;
    };
    const unsubscribeOne = log.subscribe("stream", count);
    const unsubscribeOther = log.subscribe("stream", count);
    unsubscribeOne();
    await log.append("stream", "event", keep());
    for (const wake of wakes) assert.ok(await wake.within(WAKE_LIMIT_MS), "no wake-up");
    assert.ok(calls >= 1, "the second subscription ended with the first");
    for (const wake of wakes) wake.unsubscribe();
    unsubscribeOther();
  });

  test("does not wake after the subscription has ended, also when it ends twice", async ({ log }) => {
    const ended = nextWake(log, "stream");
    const other = nextWake(log, "stream");
    ended.unsubscribe();
    ended.unsubscribe();
    await log.append("stream", "event", keep());
    assert.ok(await other.within(WAKE_LIMIT_MS), "no wake-up");
    assert.equal(ended.count(), 0);
    other.unsubscribe();
  });

  test("does not wake when the subscription ends between the append and its wake-up", async ({ log }) => {
    const ended = nextWake(log, "stream");
    const other = nextWake(log, "stream");
    const appended = log.append("stream", "event", keep());
    ended.unsubscribe();
    await appended;
    assert.ok(await other.within(WAKE_LIMIT_MS), "no wake-up");
    assert.equal(ended.count(), 0);
    other.unsubscribe();
  });

  test("wakes for a stream that is subscribed to before it exists, and after it was deleted", async ({
    log,
  }) => {
    const before = nextWake(log, "stream");
    await log.append("stream", "event", keep());
    assert.ok(await before.within(WAKE_LIMIT_MS), "no wake-up");
    before.unsubscribe();
    await log.delete("stream");
    const after = nextWake(log, "stream");
    await log.append("stream", "event", keep());
    assert.ok(await after.within(WAKE_LIMIT_MS), "no wake-up after the delete");
    after.unsubscribe();
  });

  test("wakes a subscriber when the stream ends, and when it is deleted", async ({ log }) => {
    await log.append("stream", "event", keep());
    const ended = nextWake(log, "stream");
    await log.end("stream");
    assert.ok(await ended.within(WAKE_LIMIT_MS), "no wake-up at the end");
    ended.unsubscribe();
    const deleted = nextWake(log, "stream");
    await log.delete("stream");
    assert.ok(await deleted.within(WAKE_LIMIT_MS), "no wake-up at the deletion");
    deleted.unsubscribe();
  });

  test("loses nothing for a follower who subscribes, reads, and waits to be woken", async ({ log }) => {
    const wanted = numbered(200);
    const followers = [1, 2, 3].map(async () => {
      const seen: string[] = [];
      while (seen.length < wanted.length) {
        const wake = nextWake(log, "stream");
        const page = await log.read("stream", seen.length, 16);
        seen.push(...(page?.entries.map(({ payload }) => payload) ?? []));
        const isBehind = page !== undefined && page.head.seq > seen.length;
        if (seen.length < wanted.length && !isBehind) {
          assert.ok(await wake.within(WAKE_LIMIT_MS), `no wake-up after event ${seen.length}`);
        }
        wake.unsubscribe();
      }
      return seen;
    });
    const appending = (async () => {
      // In bursts of changing size, awaited and not, so that followers are caught in every state.
      for (let index = 0; index < wanted.length;) {
        const burst = wanted.slice(index, index + 1 + (index % 5));
        await Promise.all(burst.map((payload) => log.append("stream", payload, keep())));
        index += burst.length;
      }
    })();
    const [, ...seen] = await Promise.all([appending, ...followers]);
    assert.deepEqual(seen, [wanted, wanted, wanted]);
  });
}
