// Starts the test files that take longest before all others, so that the run does not end in waiting for one of them.
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** They take ten seconds or more. The order of the others does not matter. */
const SLOWEST = [
  "packages/server/test/postgres-log.test.ts",
  "packages/client/test/integration/weather.test.ts",
  "packages/server/test/redis-crash.test.ts",
  "packages/server/test/redis-log.test.ts",
  "packages/client/test/integration/torture.test.ts",
  "test/examples.test.ts",
  "packages/client/test/integration/process-death.test.ts",
  "packages/server/test/key-value-log.test.ts",
];

const rankOf = ({ moduleId }: TestSpecification): number => {
  const rank = SLOWEST.findIndex((file) => moduleId.endsWith(file));
  return rank < 0 ? SLOWEST.length : rank;
};

export class SlowestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return sorted.sort((one, other) => rankOf(one) - rankOf(other));
  }
}
