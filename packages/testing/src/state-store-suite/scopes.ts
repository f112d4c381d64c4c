// Tests that servers and partitions never see one another's slots.
import assert from "node:assert/strict";
import type { StateScope } from "@resumable-mcp/client";
import { acquire, leave, scope, type StoreTest } from "./fixture.js";

/** Names that a careless key would take for one another, or for something else. */
const ODD_NAMES = [
  "",
  " ",
  "a",
  "A",
  "ab",
  "a b",
  "a/b",
  "a:b",
  "a,b",
  'a","b',
  "a\\",
  "a%2Fb",
  "a.b",
  "..",
  "../a",
  "a\u0000b",
  "a\nb",
  "é",
  "e\u0301",
  "😀",
  "\ud83d",
  "__proto__",
  "undefined",
  "a".repeat(2000),
  `${"a".repeat(2000)}b`,
];

/** Pairs of which one half borders on the other in different ways. */
const BORDERS: readonly StateScope[] = [
  { serverUrl: "https://mcp.example/a", partition: "b" },
  { serverUrl: "https://mcp.example/", partition: "ab" },
  { serverUrl: "https://mcp.example/ab", partition: "" },
  { serverUrl: "", partition: "https://mcp.example/ab" },
  { serverUrl: "https://mcp.example/a/", partition: "b" },
  { serverUrl: "https://mcp.example/a", partition: "/b" },
  { serverUrl: "https://mcp.example/a?partition=b", partition: "" },
];

async function assertApart(
  fixture: Parameters<typeof leave>[0],
  scopes: readonly StateScope[],
): Promise<void> {
  for (const [n, from] of scopes.entries()) {
    const slot = await acquire(fixture, from);
    assert.equal(await slot.load(), undefined, `${JSON.stringify(from)} got another scope's record`);
    await slot.save({ n });
    await slot.release();
  }
  for (const [n, from] of scopes.entries()) {
    const slot = await acquire(fixture, from);
    assert.deepEqual(await slot.load(), { n }, `${JSON.stringify(from)} lost its record`);
    await slot.release();
  }
}

/** That state never crosses to another server or another user. */
export function scopeTests(test: StoreTest): void {
  test("never gives a record to a client of another partition or another server", async (fixture) => {
    await leave(fixture, { of: "alice" });
    for (const other of [
      { ...scope, partition: "bob" },
      { ...scope, partition: "" },
      { ...scope, serverUrl: "https://other.example/mcp" },
    ]) {
      const slot = await acquire(fixture, other);
      assert.equal(await slot.load(), undefined);
      await slot.release();
    }
    const slot = await acquire(fixture);
    assert.deepEqual(await slot.load(), { of: "alice" });
    await slot.release();
  });

  test("keeps partitions apart whatever characters they hold", async (fixture) => {
    await assertApart(
      fixture,
      ODD_NAMES.map((partition) => ({ ...scope, partition })),
    );
  });

  test("keeps servers apart whatever characters their URLs hold", async (fixture) => {
    await assertApart(
      fixture,
      ODD_NAMES.map((path) => ({ ...scope, serverUrl: `https://mcp.example/${path}` })),
    );
  });

  test("keeps scopes apart in which server and partition meet at another place", async (fixture) => {
    await assertApart(fixture, BORDERS);
  });
}
