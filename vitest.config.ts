// Tells Vitest which tests to run, and how many at a time.
import { defineConfig } from "vitest/config";

import { SlowestFirst } from "./test-support/slowest-first.js";

/**
 * Files that change nothing of their process and load nothing that does (the SDKs' servers do: they replace the global
 * `Response`). They share processes: most of their time would go in starting one each.
 */
const SHARING = ["packages/client/test/*.test.ts", "packages/client/test/http/*.test.ts"];

export default defineConfig({
  test: {
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: "forks",
    maxWorkers: 3,
    sequence: { sequencer: SlowestFirst },
    projects: [
      { extends: true, test: { name: "shared", include: SHARING, isolate: false } },
      {
        extends: true,
        test: {
          name: "isolated",
          include: ["packages/*/test/**/*.test.ts", "test/**/*.test.ts"],
          exclude: ["**/node_modules/**", ...SHARING],
        },
      },
    ],
  },
});
