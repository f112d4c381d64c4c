// `npm run torture`: puts our client and the SDKs' own through bad weather and prints a table.
import { fail } from "./fail.mjs";
import { build, install, load } from "./run-typescript.mjs";

await install();
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
await build("packages/server", "packages/client", "packages/testing");
const { runTorture } = await load("test-support/torture.ts");
// A client that lost a call may hold connections for ever.
process.exit((await runTorture(chosen)) ? 0 : 1);
