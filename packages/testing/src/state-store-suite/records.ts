// Tests that a slot saves, loads and clears its record.
import assert from "node:assert/strict";
import { acquire, assertRejectsWith, leave, type StoreTest } from "./fixture.js";

const MEBIBYTE = 1024 * 1024;

/** What a slot does with its record. */
export function recordTests(test: StoreTest): void {
  test("finds no record in a new slot", async (fixture) => {
    const slot = await acquire(fixture);
    assert.equal(await slot.load(), undefined);
    await slot.release();
  });

  test("gives back what was saved, whatever characters it holds", async (fixture) => {
    const record = {
      session: "1868a90c",
      text: 'quote " backslash \\ newline \n nul \u0000 lone surrogate \ud800 😀',
      numbers: [0, -1.5, 1e300, Number.MAX_SAFE_INTEGER],
      nested: { empty: {}, list: [], nothing: null, yes: true },
    };
    const slot = await acquire(fixture);
    await slot.save(record);
    assert.deepEqual(await slot.load(), record);
    await slot.release();
  });

  test("saves the record as it was when save was called", async (fixture) => {
    const record = { cursors: ["1"] };
    const slot = await acquire(fixture);
    const saved = slot.save(record);
    record.cursors.push("2");
    await saved;
    assert.deepEqual(await slot.load(), { cursors: ["1"] });
    await slot.release();
  });

  test("gives each caller of load a record of its own", async (fixture) => {
    const slot = await acquire(fixture);
    await slot.save({ cursors: ["1"] });
    const loaded = await slot.load();
    assert.ok(typeof loaded === "object" && loaded !== null);
    Object.assign(loaded, { cursors: [] });
    assert.deepEqual(await slot.load(), { cursors: ["1"] });
    await slot.release();
  });

  test("takes saves in the order in which they were made, so the newest wins", async (fixture) => {
    const slot = await acquire(fixture);
    // Long and short by turns: a store that let writes overtake each other would show it.
    const saves = Array.from({ length: 30 }, (_, n) =>
      slot.save({ n, filler: "x".repeat(n % 2 ? 0 : 100_000) }),
    );
    const seen = slot.load();
    await Promise.all(saves);
    assert.deepEqual(await seen, { n: 29, filler: "" });
    assert.deepEqual(await slot.load(), { n: 29, filler: "" });
    await slot.release();
  });

  test("keeps a record of one mebibyte", async (fixture) => {
    const record = { text: "é".repeat(MEBIBYTE / 2) };
    await leave(fixture, record);
    const slot = await acquire(fixture);
    assert.deepEqual(await slot.load(), record);
    await slot.release();
  });

  test("rejects what is not JSON data and keeps the record that was there", async (fixture) => {
    const slot = await acquire(fixture);
    await slot.save({ good: true });
    const circular: Record<string, unknown> = {};
    circular.self = circular;
    for (const bad of [undefined, () => undefined, 1n, circular])
      await assert.rejects(slot.save(bad), TypeError);
    assert.deepEqual(await slot.load(), { good: true });
    await slot.release();
  });

  test("clears the record and keeps the slot", async (fixture) => {
    const slot = await acquire(fixture);
    await slot.save({ n: 1 });
    await slot.clear();
    assert.equal(await slot.load(), undefined);
    await slot.clear();
    await slot.save({ n: 2 });
    assert.deepEqual(await slot.load(), { n: 2 });
    await slot.release();
  });

  test("leaves nothing to the next client after clear", async (fixture) => {
    const slot = await acquire(fixture);
    await slot.save({ n: 1 });
    await slot.clear();
    await slot.release();
    const next = await acquire(fixture);
    assert.equal(await next.load(), undefined);
    await next.release();
  });

  test("finds no record after it was set aside, and none to set aside in an empty slot", async (fixture) => {
    const slot = await acquire(fixture);
    await slot.setAside();
    await slot.save({ n: 1 });
    await slot.setAside();
    assert.equal(await slot.load(), undefined);
    await slot.save({ n: 2 });
    assert.deepEqual(await slot.load(), { n: 2 });
    await slot.release();
  });

  test("rejects everything but release after release, with the code closed", async (fixture) => {
    const slot = await acquire(fixture);
    await slot.save({ n: 1 });
    await slot.release();
    await assertRejectsWith("closed", slot.save({ n: 2 }));
    await assertRejectsWith("closed", slot.load());
    await assertRejectsWith("closed", slot.clear());
    await assertRejectsWith("closed", slot.setAside());
    const next = await acquire(fixture);
    assert.deepEqual(await next.load(), { n: 1 });
    await next.release();
  });
}
