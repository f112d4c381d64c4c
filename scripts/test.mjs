// `npm test`: builds, and runs the unit, integration and browser tests. Its last line counts them, for whoever reads it.
import { build } from "./build.mjs";
import { ensureBrowser } from "./ensure-browser.mjs";
import { namesOf, readOptions, runStages } from "./run-stages.mjs";
import { runTool } from "./run-command.mjs";
import { forgetReports, readCounts, readSkips, REPORTS } from "./test-results.mjs";

/** @type {readonly import("./run-stages.mjs").Stage[]} */
const STAGES = [
  {
    name: "build",
    purpose: "compile the packages, type-check the tests and the demo",
    run: () => build(),
  },
  {
    name: "unit",
    purpose: "unit and integration tests",
    run: (environment) =>
      runTool(
        "vitest",
        ["run", "--reporter=default", "--reporter=json", `--outputFile.json=${REPORTS.vitest}`],
        environment,
      ),
  },
  {
    name: "e2e",
    purpose: "the demo in a real browser, over connections that really break",
    run: async (environment) =>
      (await ensureBrowser()) &&
      (await runTool("playwright", ["test", "--reporter=list,json"], {
        ...environment,
        PLAYWRIGHT_JSON_OUTPUT_NAME: REPORTS.playwright,
      })),
  },
];

const options = readOptions(
  `npm test -- [options]
  --only <stages>   run these alone, separated by commas: ${namesOf(STAGES).join(", ")}
  --full            repeat the randomised tests as often as they are meant to be (npm run test:full)`,
  { full: { type: "boolean", default: false } },
);

forgetReports();
const failedStage = await runStages(STAGES, options.only, options.full ? { RESUMABLE_MCP_FULL: "1" } : {});

const skips = readSkips().map(({ reason, tests }) => `${tests} because ${reason}`);
if (skips.length > 0) console.log(`\nSkipped: ${skips.join("; ")}.`);
// The last line, which a runner reads. A failure that no test stands for, as of the compiler, counts as one.
const { passed, failed, skipped } = readCounts();
const failures = failedStage !== undefined && failed === 0 ? 1 : failed;
console.log(`\n${passed} passed, ${failures} failed, ${skipped} skipped`);
process.exitCode = failures > 0 ? 1 : 0;
