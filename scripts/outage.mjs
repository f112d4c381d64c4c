// A real outage, as long as you like: prints what happens to one call of an app that follows the README's example.
import { join } from "node:path";
import { parseArgs } from "node:util";

import { prepare } from "./prepare.mjs";
import { ROOT, runTool } from "./run-command.mjs";

const USAGE = "npm run outage -- [--minutes <from 0.1 to 25, 10 unless given>]";

/** Prints what is wrong and ends. @param {string} message @returns {never} */
function fail(message) {
  console.error(message);
  process.exit(1);
}

function minutesGiven() {
  try {
    const { values } = parseArgs({ options: { minutes: { type: "string", default: "10" } } });
    return Number(values.minutes);
  } catch (error) {
    return fail(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
  }
}

const minutes = minutesGiven();
// The transport gives a call up after half an hour without a connection.
if (!(minutes >= 0.1 && minutes <= 25)) fail(USAGE);
if (!(await prepare())) fail("The dependencies could not be installed. See above.");
const packages = ["packages/server", "packages/client", "packages/testing"];
if (!(await runTool("tsc", ["-b", ...packages]))) fail("The build failed. See above.");

// Vite runs TypeScript on Node 20 too. It is one of the dependencies, so it is not imported before they are there.
const { runnerImport } = await import("vite");
const { module } = await runnerImport(join(ROOT, "test-support/outage.ts"), {
  root: ROOT,
  configFile: false,
  logLevel: "warn",
});
process.exitCode = (await module.runOutage(minutes)) ? 0 : 1;
