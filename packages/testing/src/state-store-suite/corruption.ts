// Tests that a store sets a record aside that it cannot read, and reports it.
import assert from "node:assert/strict";
import type { StateScope } from "@resumable-mcp/client";
import {
  acquire,
  assertRejectsWith,
  leave,
  scope,
  type StateStoreFixture,
  type StoreTest,
} from "./fixture.js";

/** What happens to a record that cannot be read. */
export function corruptionTests<Fixture extends StateStoreFixture>(
  test: StoreTest<Fixture>,
  corrupt: (fixture: Fixture, scope: StateScope) => void | Promise<void>,
): void {
  const corrupted = async (fixture: Fixture) => {
    await leave(fixture, { n: 1 });
    await corrupt(fixture, scope);
    return acquire(fixture);
  };

  test("says so when a record cannot be read, every time, and does not drop it", async (fixture) => {
    const slot = await corrupted(fixture);
    await assertRejectsWith("state-corrupt", slot.load());
    await slot.release();
    const next = await acquire(fixture);
    await assertRejectsWith("state-corrupt", next.load());
    await next.release();
  });

  test("starts anew after a record that cannot be read was set aside", async (fixture) => {
    const slot = await corrupted(fixture);
    await assertRejectsWith("state-corrupt", slot.load());
    await slot.setAside();
    assert.equal(await slot.load(), undefined);
    await slot.save({ n: 2 });
    await slot.release();
    const next = await acquire(fixture);
    assert.deepEqual(await next.load(), { n: 2 });
    await next.release();
  });
}
