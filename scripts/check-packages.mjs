import { spawnSync } from "node:child_process";

import { ROOT, runToolQuietly } from "./run-command.mjs";

const PACKAGES = ["packages/server", "packages/client", "packages/testing"];

/** What the IndexedDB store may add to the client's root entry, in bytes, minified and compressed. */
const INDEXEDDB_STORE_BUDGET = 2300;
const ROOT_ENTRY = "client, root entry";
const WITH_INDEXEDDB = "client, with the IndexedDB store";

/**
 * Checks what would be published: that `package.json` and files agree, that the types resolve for users of ESM, and
 * that the client stays small.
 *
 * @returns {boolean} whether all is well
 */
export function checkPackages() {
  for (const folder of PACKAGES) {
    if (!runToolQuietly("publint", ["run", "--strict", folder])) return false;
    if (!runToolQuietly("attw", ["--pack", folder, "--profile", "esm-only"])) return false;
    console.log(`${folder}: its exports exist, and its types resolve`);
  }
  return checkSizes();
}

function checkSizes() {
  const { stdout, stderr, status } = spawnSync("npx", ["--no-install", "size-limit", "--json"], {
    cwd: ROOT,
    encoding: "utf8",
    shell: process.platform === "win32",
  });
  let entries;
  try {
    entries = JSON.parse(stdout);
  } catch {
    console.error(`size-limit measured nothing:\n${stdout}${stderr}`);
    return false;
  }
  for (const { name, size, sizeLimit } of entries) {
    const limit = sizeLimit === undefined ? "" : ` of at most ${sizeLimit} B`;
    console.log(`${name}: ${size} B${limit}, minified and compressed`);
  }
  const sizeOf = (name) => entries.find((entry) => entry.name === name).size;
  const added = sizeOf(WITH_INDEXEDDB) - sizeOf(ROOT_ENTRY);
  console.log(`The IndexedDB store adds ${added} B of at most ${INDEXEDDB_STORE_BUDGET} B.`);
  return status === 0 && added <= INDEXEDDB_STORE_BUDGET;
}
