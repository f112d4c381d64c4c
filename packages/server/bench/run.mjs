// Runs one benchmark: `node packages/server/bench/run.mjs redis`. The packages themselves are measured as they are built.
import { existsSync } from "node:fs";
import { register } from "node:module";

const [name] = process.argv.slice(2);
const file = new URL(`./${name}.ts`, import.meta.url);
if (name === undefined || !existsSync(file)) {
  console.error("Name a benchmark: one of the .ts files beside this one, without its ending.");
  process.exit(1);
}
register("./support/typescript-loader.mjs", import.meta.url);
await import(file.href);
