import { join } from "node:path";

import { prepare } from "./prepare.mjs";
import { ROOT, runTool } from "./run-command.mjs";

/** Prints what is wrong and ends. @param {string} message @returns {never} */
function fail(message) {
  console.error(message);
  process.exit(1);
}

if (!(await prepare())) fail("The dependencies could not be installed. See above.");
// Not before the dependencies are there: Vite is one of them, and runs TypeScript on Node 20 too.
const { runnerImport } = await import("vite");

/** @param {string} file */
const load = async (file) =>
  (await runnerImport(join(ROOT, file), { root: ROOT, configFile: false, logLevel: "warn" })).module;

const { readTortureArguments, TORTURE_HELP } = await load("test-support/torture/options.ts");

function readArguments() {
  try {
    return readTortureArguments(process.argv.slice(2));
  } catch (error) {
    return fail(`${error.message}\n${TORTURE_HELP}`);
  }
}

const chosen = readArguments();
if (chosen === undefined) {
  console.log(TORTURE_HELP);
  process.exit(0);
}
console.log("Building the packages.");
if (!(await runTool("tsc", ["-b", "packages/server", "packages/client", "packages/testing"])))
  fail("The build failed. See above.");
const { runTorture } = await load("test-support/torture.ts");
// A client that lost a call may hold connections for ever.
process.exit((await runTorture(chosen)) ? 0 : 1);
