// Checks what would be published: files, types, and what an app pays for the client in bytes.
import { spawnSync } from "node:child_process";
import { join } from "node:path";

import { ROOT, runToolQuietly } from "./run-command.mjs";

const PACKAGES = ["packages/server", "packages/client", "packages/testing"];

/**
 * What our transport and the IndexedDB store may add to an app of the SDK's client, in place of the SDK's own
 * transport, in bytes, minified and compressed. That is what an app pays for them.
 */
const MOST_ADDED = { "1.x": 9250, "2.x": 8150 };

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
  const { stdout, stderr, status } = spawnSync(join(ROOT, "node_modules/.bin/size-limit"), ["--json"], {
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
  const areLight = Object.entries(MOST_ADDED).map(([sdk, most]) => {
    const added =
      sizeOf(`app on SDK ${sdk} with ours`) - sizeOf(`app on SDK ${sdk} with the SDK's transport`);
    console.log(`Ours and the IndexedDB store add ${added} B of at most ${most} B to an app on SDK ${sdk}.`);
    return added <= most;
  });
  return status === 0 && areLight.every(Boolean);
}
