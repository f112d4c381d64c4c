// Runs the tests that every state store must pass, under any test runner.
import { corruptionTests } from "./corruption.js";
import type { StateStoreFixture, StateStoreSuiteOptions, SuiteRunner } from "./fixture.js";
import { holdingTests } from "./holding.js";
import { recordTests } from "./records.js";
import { scopeTests } from "./scopes.js";

export type { StateStoreFixture, StateStoreSuiteOptions, SuiteRunner } from "./fixture.js";

/**
 * The tests that every state store must pass, for any runner that has `describe` and `it`.
 *
 * @example
 * ```ts
 * import { describe, it } from "vitest";
 * stateStoreSuite({ describe, it }, { name: "myStore", create: () => ({ open: () => myStore() }) });
 * ```
 */
export function stateStoreSuite<Fixture extends StateStoreFixture>(
  runner: SuiteRunner,
  options: StateStoreSuiteOptions<Fixture>,
): void {
  const test = (name: string, body: (fixture: Fixture) => Promise<void>): void => {
    runner.it(name, async () => {
      const fixture = await options.create();
      try {
        await body(fixture);
      } finally {
        await fixture.dispose?.();
      }
    });
  };
  runner.describe(`${options.name}, a state store`, () => {
    recordTests(test);
    holdingTests(test);
    scopeTests(test);
    if (options.corrupt) corruptionTests(test, (fixture, scope) => options.corrupt?.(fixture, scope));
  });
}
