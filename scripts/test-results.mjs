// Reads what the test runners report: how many tests passed, failed and were skipped, and why they were skipped.
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

/** A test, or the group that it is in, that cannot run here says so at the end of its title. */
const REASON = /\(skipped: (?<reason>.+)\)$/;

/** @returns {{ reason: string, tests: number }[]} how many unit tests were skipped for which reason */
export function readSkips() {
  const files = readReport(REPORTS.vitest)?.testResults ?? [];
  const tests = files
    .flatMap(({ assertionResults }) => assertionResults)
    .filter(({ status }) => ["skipped", "pending", "todo"].includes(status));
  const counts = new Map();
  for (const { title, ancestorTitles } of tests) {
    const [reason = "of a reason that their titles do not tell"] = [title, ...ancestorTitles].flatMap(
      (each) => REASON.exec(each)?.groups?.reason ?? [],
    );
    counts.set(reason, (counts.get(reason) ?? 0) + 1);
  }
  return [...counts].map(([reason, count]) => ({ reason, tests: count }));
}

/** @param {string} path */
function readReport(path) {
  const file = join(ROOT, path);
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : undefined;
}
