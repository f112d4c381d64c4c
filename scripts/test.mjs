import { performance } from "node:perf_hooks";
import { parseArgs } from "node:util";

import { build } from "./build.mjs";
import { checkPackages } from "./check-packages.mjs";
import { ensureBrowser } from "./ensure-browser.mjs";
import { fail } from "./fail.mjs";
import { prepare } from "./prepare.mjs";
import { runTool } from "./run-command.mjs";
import { forgetReports, readCounts, REPORTS } from "./test-results.mjs";

/** In the order in which they run. The first one that fails ends the run. */
const STAGES = [
  {
    name: "build",
    purpose: "compile the packages, type-check the tests and the demo",
    run: () => build(),
  },
  {
    name: "lint",
    purpose: "house rules, formatting, unused code and dependencies",
    // ESLint keeps one core busy for as long as the others take together, three times over.
    run: async () => {
      const others = async () => (await runTool("prettier", ["--check", "."])) && (await runTool("knip", []));
      return (await Promise.all([runTool("eslint", ["."]), others()])).every(Boolean);
    },
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
    name: "packages",
    purpose: "what would be published: files, types, size",
    run: async () => checkPackages(),
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

const NAMES = STAGES.map(({ name }) => name);

const HELP = `npm test -- [options]
  --only <stages>   run these alone, separated by commas: ${NAMES.join(", ")}
  --full            repeat the randomised tests as often as they are meant to be (npm run test:full)`;

function readOptions() {
  try {
    return parseArgs({
      options: {
        only: { type: "string" },
        full: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    return fail(`${error.message}\n${HELP}`);
  }
}

/** @param {number} startedAt */
const since = (startedAt) => `${((performance.now() - startedAt) / 1000).toFixed(1)} s`;

/** The last line, which a runner reads. A failure that no test stands for, as of the linter, counts as one. */
function conclude(failedStage) {
  const { passed, failed, skipped } = readCounts();
  const failures = failedStage !== undefined && failed === 0 ? 1 : failed;
  console.log(`\n${passed} passed, ${failures} failed, ${skipped} skipped`);
  process.exitCode = failures > 0 || failedStage !== undefined ? 1 : 0;
}

const options = readOptions();
if (options.help) {
  console.log(HELP);
  process.exit(0);
}
const chosen = options.only?.split(",") ?? NAMES;
const unknown = chosen.find((name) => !NAMES.includes(name));
if (unknown !== undefined) fail(`There is no stage "${unknown}".\n${HELP}`);

const begunAt = performance.now();
const durations = [];
let failedStage;
forgetReports();
if (await prepare()) {
  for (const { name, purpose, run } of STAGES.filter((stage) => chosen.includes(stage.name))) {
    console.log(`\n== ${name}: ${purpose}`);
    const startedAt = performance.now();
    const passed = await run(options.full ? { RESUMABLE_MCP_FULL: "1" } : {});
    durations.push(`${name} ${since(startedAt)}`);
    if (passed) continue;
    failedStage = name;
    break;
  }
} else {
  failedStage = "dependencies";
}

console.log(`\nDurations: ${[...durations, `all ${since(begunAt)}`].join(", ")}`);
if (failedStage !== undefined) console.error(`Stage "${failedStage}" failed; nothing after it was run.`);
conclude(failedStage);
