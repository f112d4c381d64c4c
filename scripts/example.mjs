import { readdirSync } from "node:fs";
import { join } from "node:path";

import { prepare } from "./prepare.mjs";
import { ROOT, runTool } from "./run-command.mjs";

const FOLDER = join(ROOT, "examples");
const NAMES = readdirSync(FOLDER, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);

/** Prints what is wrong and ends. @param {string} message @returns {never} */
function fail(message) {
  console.error(message);
  process.exit(1);
}

const [name, ...rest] = process.argv.slice(2);
if (name === undefined || rest.length > 0 || !NAMES.includes(name)) {
  fail(
    `npm run example -- <name>, with one of ${NAMES.join(", ")}. PORT is 3000 unless set, 0 for any free one.`,
  );
}
if (!(await prepare())) fail("The dependencies could not be installed. See above.");
if (!(await runTool("tsc", ["-b", "packages/server"]))) fail("The build failed. See above.");

// Vite runs TypeScript on Node 20 too. It is one of the dependencies, so it is not imported before they are there.
const { runnerImport } = await import("vite");
await runnerImport(join(FOLDER, name, "server.ts"), { root: ROOT, configFile: false, logLevel: "warn" });
