// Tests that one client at a time has a slot, and who gets it next.
import assert from "node:assert/strict";
import { acquire, leave, scope, type StoreTest } from "./fixture.js";

/** Who has a slot, and when it passes on. */
export function holdingTests(test: StoreTest): void {
  test("gives a released slot's record to the next client of the same scope", async (fixture) => {
    await leave(fixture, { n: 1 });
    const slot = await acquire(fixture);
    assert.deepEqual(await slot.load(), { n: 1 });
    await slot.release();
  });

  test("writes what was saved before release, also when nobody waited for it", async (fixture) => {
    const slot = await acquire(fixture);
    const saved = slot.save({ n: 1 });
    await slot.release();
    await saved;
    const next = await acquire(fixture);
    assert.deepEqual(await next.load(), { n: 1 });
    await next.release();
  });

  test("never gives one slot to two live clients", async (fixture) => {
    const first = await acquire(fixture);
    await first.save({ of: "first" });
    const second = await acquire(fixture);
    assert.equal(await second.load(), undefined);
    await second.save({ of: "second" });
    await second.clear();
    assert.deepEqual(await first.load(), { of: "first" });
    await second.save({ of: "second" });
    await first.release();
    assert.deepEqual(await second.load(), { of: "second" });
    await second.release();
  });

  test("gives the records of two ended clients to two new ones, each to one", async (fixture) => {
    const ended = await Promise.all([acquire(fixture), acquire(fixture)]);
    for (const [n, slot] of ended.entries()) await slot.save({ n });
    for (const slot of ended) await slot.release();
    const started = [await acquire(fixture), await acquire(fixture)];
    const records = await Promise.all(started.map((slot) => slot.load()));
    assert.deepEqual(records.map((record) => JSON.stringify(record)).sort(), ['{"n":0}', '{"n":1}']);
    for (const slot of started) await slot.release();
  });

  test("gives one orphan to at most one of eight clients that start at once", async (fixture) => {
    await leave(fixture, { orphan: true });
    const slots = await Promise.all(Array.from({ length: 8 }, () => acquire(fixture)));
    const found = (await Promise.all(slots.map((slot) => slot.load()))).filter(
      (record) => record !== undefined,
    );
    assert.deepEqual(found, [{ orphan: true }]);
    await Promise.all(slots.map((slot, n) => slot.save({ n })));
    const records = await Promise.all(slots.map((slot) => slot.load()));
    assert.deepEqual(
      records,
      slots.map((_, n) => ({ n })),
    );
    for (const slot of slots) await slot.release();
  });

  test("takes a second release for nothing, also when the slot is another client's by then", async (fixture) => {
    const first = await acquire(fixture);
    await first.save({ n: 1 });
    await Promise.all([first.release(), first.release()]);
    const second = await acquire(fixture);
    assert.deepEqual(await second.load(), { n: 1 });
    await first.release();
    const third = await acquire(fixture);
    assert.equal(await third.load(), undefined);
    await second.release();
    await third.release();
  });

  test("rejects with the signal's reason when the signal is aborted already", async (fixture) => {
    const reason = new Error("the app was closed");
    await assert.rejects(
      fixture.open().acquire(scope, AbortSignal.abort(reason)),
      (error) => error === reason,
    );
  });

  test("holds nothing after an acquire that was aborted on its way", async (fixture) => {
    await leave(fixture, { n: 1 });
    const reason = new Error("the app was closed");
    const controller = new AbortController();
    const acquired = fixture.open().acquire(scope, controller.signal);
    controller.abort(reason);
    // A store that is faster than the abort may still answer with the slot.
    const outcome = await acquired.catch((error: unknown) => error);
    if (outcome !== reason) {
      assert.ok(typeof outcome === "object" && outcome !== null && "release" in outcome, String(outcome));
      await (await acquired).release();
    }
    const slot = await acquire(fixture);
    assert.deepEqual(await slot.load(), { n: 1 });
    await slot.release();
  });
}
