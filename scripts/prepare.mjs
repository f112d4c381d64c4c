// Makes a fresh clone ready to run: checks the version of Node and installs the dependencies.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { ROOT, run } from "./run-command.mjs";

const OLDEST_NODE = [20, 19];

/**
 * Makes a fresh clone ready: checks Node, and installs the dependencies when they are missing or are not those of
 * the lock file. Says what it does.
 *
 * @returns {Promise<boolean>} whether everything is there
 */
export async function prepare() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1])) {
    console.error(`Node ${OLDEST_NODE.join(".")} or later is needed; this is ${process.versions.node}.`);
    return false;
  }
  const difference = differenceFromLock();
  if (difference === undefined) return true;
  console.log(`Installing the dependencies with "npm ci", because ${difference}.`);
  return run("npm", ["ci"]);
}

/** @returns {string | undefined} the first difference between node_modules and the lock file */
function differenceFromLock() {
  const installedLock = join(ROOT, "node_modules", ".package-lock.json");
  if (!existsSync(installedLock)) return "node_modules is missing";
  const wanted = packagesOf(join(ROOT, "package-lock.json"));
  const installed = packagesOf(installedLock);
  for (const [path, entry] of Object.entries(wanted)) {
    if (!path.includes("node_modules/")) continue;
    const found = installed[path];
    // An optional package is absent where it is made for another platform.
    if (found === undefined && entry.optional === true) continue;
    if (found?.version !== entry.version || !existsSync(join(ROOT, path))) {
      return `${path} is not what package-lock.json asks for`;
    }
  }
  return undefined;
}

/**
 * @param {string} path
 * @returns {Record<string, { version?: string, optional?: boolean }>}
 */
function packagesOf(path) {
  return JSON.parse(readFileSync(path, "utf8")).packages;
}
