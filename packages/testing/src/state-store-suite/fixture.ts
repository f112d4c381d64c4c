// Defines what the suite needs of a test runner and of the state store under test.
import assert from "node:assert/strict";
import type { Slot, StateScope, StateStore } from "@resumable-mcp/client";

/** What the suite needs of a test runner: vitest, mocha, jasmine and `node:test` all have it. */
export interface SuiteRunner {
  describe(name: string, body: () => void): unknown;
  it(name: string, body: () => Promise<void>): unknown;
}

/** Empty storage for one test. */
export interface StateStoreFixture {
  /**
   * Another client's store on the same storage: what another tab, process or thread would open, as far from the
   * others as the test can make it. The clients have no state of their own that would tell them which slot was theirs.
   */
  open(): StateStore;
  /** Frees what the fixture holds. */
  dispose?(): Promise<void>;
}

export interface StateStoreSuiteOptions<Fixture extends StateStoreFixture = StateStoreFixture> {
  /** The store's name, for the tests' names. */
  readonly name: string;
  /** Makes empty storage. Called once per test. */
  create(): Fixture | Promise<Fixture>;
  /**
   * Damages what is saved in this scope so that it cannot be read. Leave it out only where that cannot happen:
   * the tests of damaged records are then not registered.
   */
  corrupt?(fixture: Fixture, scope: StateScope): void | Promise<void>;
}

/** Registers one test with fresh storage. */
export type StoreTest<Fixture extends StateStoreFixture = StateStoreFixture> = (
  name: string,
  body: (fixture: Fixture) => Promise<void>,
) => void;

export const scope: StateScope = { serverUrl: "https://mcp.example/mcp", partition: "alice" };

/** Waits at most a minute, so that a store that hangs fails its test. */
export const acquire = (fixture: StateStoreFixture, from: StateScope = scope): Promise<Slot> =>
  fixture.open().acquire(from, AbortSignal.timeout(60_000));

/** Saves a record as a client would that then ends. */
export async function leave(fixture: StateStoreFixture, record: unknown, from = scope): Promise<void> {
  const slot = await acquire(fixture, from);
  await slot.save(record);
  await slot.release();
}

/** Asserts that a promise rejects with a `ResumeError` of this code. */
export async function assertRejectsWith(code: string, promise: Promise<unknown>): Promise<void> {
  await assert.rejects(promise, (error: unknown) => {
    assert.ok(error instanceof Error && "code" in error, `not a ResumeError: ${String(error)}`);
    assert.equal(error.code, code);
    return true;
  });
}
