// Runs the stages of a command one after the other, says what each took, and stops at the first that fails.
import { performance } from "node:perf_hooks";
import { parseArgs } from "node:util";

import { fail } from "./fail.mjs";
import { prepare } from "./prepare.mjs";

/**
 * @typedef {object} Stage
 * @property {string} name
 * @property {string} purpose
 * @property {(environment: Record<string, string>) => boolean | Promise<boolean>} run resolves to whether it passed
 */

/** @typedef {{ only?: string | undefined, full?: boolean, help?: boolean }} Options */

/**
 * Reads the command line: `--only` names stages, `--help` prints the help and ends.
 *
 * @param {string} help
 * @param {Record<string, { type: "boolean", default: boolean }>} more options of the command's own
 * @returns {Options}
 */
export function readOptions(help, more = {}) {
  let options;
  try {
    options = parseArgs({
      options: { only: { type: "string" }, help: { type: "boolean", default: false }, ...more },
    }).values;
  } catch (error) {
    return fail(`${error.message}\n${help}`);
  }
  if (options.help) {
    console.log(help);
    process.exit(0);
  }
  return options;
}

/** @param {readonly Stage[]} stages */
export const namesOf = (stages) => stages.map(({ name }) => name);

/** @param {number} startedAt */
const since = (startedAt) => `${((performance.now() - startedAt) / 1000).toFixed(1)} s`;

/**
 * @param {readonly Stage[]} stages in the order in which they run
 * @param {string | undefined} only the names of those to run, separated by commas; all when it is `undefined`
 * @param {Record<string, string>} environment for each stage
 * @returns {Promise<string | undefined>} the name of the stage that failed
 */
export async function runStages(stages, only, environment = {}) {
  const chosen = only?.split(",") ?? namesOf(stages);
  const unknown = chosen.find((name) => !namesOf(stages).includes(name));
  if (unknown !== undefined) fail(`There is no stage "${unknown}", only ${namesOf(stages).join(", ")}.`);
  const begunAt = performance.now();
  if (!(await prepare())) return "dependencies";
  const durations = [];
  let failed;
  for (const { name, purpose, run } of stages.filter((stage) => chosen.includes(stage.name))) {
    console.log(`\n== ${name}: ${purpose}`);
    const startedAt = performance.now();
    const passed = await run(environment);
    durations.push(`${name} ${since(startedAt)}`);
    if (passed) continue;
    failed = name;
    break;
  }
  console.log(`\nDurations: ${[...durations, `all ${since(begunAt)}`].join(", ")}`);
  if (failed !== undefined) console.error(`Stage "${failed}" failed; nothing after it was run.`);
  return failed;
}
