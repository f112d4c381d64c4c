import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

import { ROOT } from "./run-command.mjs";

/** @typedef {{ passed: number, failed: number, skipped: number }} Counts */

/** Where the JSON reporters write, below the repository. */
export const REPORTS = { vitest: ".cache/reports/vitest.json", playwright: ".cache/reports/playwright.json" };

/** Removes the reports of the run before, so that they are not taken for this one's. */
export function forgetReports() {
  for (const path of Object.values(REPORTS)) rmSync(join(ROOT, path), { force: true });
}

/** @returns {Counts} the sum of the reports that there are */
export function readCounts() {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  const vitest = readReport(REPORTS.vitest);
  if (vitest !== undefined) {
    counts.passed += vitest.numPassedTests;
    counts.failed += vitest.numFailedTests;
    counts.skipped += vitest.numPendingTests + vitest.numTodoTests;
  }
  const playwright = readReport(REPORTS.playwright);
  if (playwright !== undefined) {
    counts.passed += playwright.stats.expected;
    counts.failed += playwright.stats.unexpected + playwright.stats.flaky;
    counts.skipped += playwright.stats.skipped;
  }
  return counts;
}

/** @param {string} path */
function readReport(path) {
  const file = join(ROOT, path);
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : undefined;
}
