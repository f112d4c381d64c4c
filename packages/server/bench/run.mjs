// Runs benchmarks: `npm run bench -- memory sqlite`, or all of them when none is named.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { register } from "node:module";
import { fileURLToPath } from "node:url";

const folders = [new URL("./", import.meta.url), new URL("../../client/bench/", import.meta.url)];
const files = new Map(
  folders.flatMap((folder) =>
    readdirSync(folder)
      .filter((file) => file.endsWith(".ts"))
      .map((file) => [file.slice(0, -".ts".length), new URL(file, folder).href]),
  ),
);
const all = [...files.keys()].sort();
const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !all.includes(name));
if (unknown.length > 0) {
  console.error(`There is no benchmark ${unknown.join(", ")}. There are: ${all.join(", ")}.`);
  process.exit(1);
}
const names = asked.length > 0 ? asked : all;
const [only, ...others] = names;
if (only !== undefined && others.length === 0) {
  register("./support/typescript-loader.mjs", import.meta.url);
  await import(files.get(only));
} else {
  // Each in a process of its own: what one leaves on the heap or teaches the compiler must not favour the next.
  for (const name of names) {
    console.log(`\n# ${name}`);
    const { status } = spawnSync(process.execPath, [fileURLToPath(import.meta.url), name], {
      stdio: "inherit",
    });
    if (status !== 0) process.exit(status ?? 1);
  }
}
