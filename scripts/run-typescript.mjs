// Installs, builds and loads TypeScript modules for scripts, which Node 20 cannot run itself.
import { join } from "node:path";

import { build as buildPackages } from "./build.mjs";
import { fail } from "./fail.mjs";
import { prepare } from "./prepare.mjs";
import { ROOT } from "./run-command.mjs";

/** Makes a fresh clone ready, or ends with what is wrong. */
export async function install() {
  if (!(await prepare())) fail("The dependencies could not be installed. See above.");
}

/** Builds packages, or ends with what is wrong. @param {readonly string[]} packages their folders */
export async function build(...packages) {
  if (!(await buildPackages(...packages))) fail("The build failed. See above.");
}

/**
 * Runs a TypeScript module of the repository: Vite runs them on Node 20 too. It is one of the dependencies, so it is
 * not imported before they are there.
 *
 * @param {string} file from the repository's folder
 * @returns what the module exports
 */
export async function load(file) {
  const { runnerImport } = await import("vite");
  const { module } = await runnerImport(join(ROOT, file), {
    root: ROOT,
    configFile: false,
    logLevel: "warn",
  });
  return module;
}
