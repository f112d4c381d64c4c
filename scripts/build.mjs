// Builds packages: `node scripts/build.mjs packages/client`, or everything when none is named.
import { readFileSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { fileURLToPath } from "node:url";

import { ROOT, runTool } from "./run-command.mjs";

/**
 * Of these TypeScript makes only the declarations. They are loaded by pages and short-lived processes, where forty
 * small modules take longer to load than all that is in them to run.
 */
const BUNDLED = ["packages/client"];

/**
 * @param {...string} packages their folders; all, and a type check of the tests and the demo, when none is given
 * @returns {Promise<boolean>} whether it went well
 */
export async function build(...packages) {
  if (!(await runTool("tsc", ["-b", ...packages]))) return false;
  const bundled = BUNDLED.filter((folder) => packages.length === 0 || packages.includes(folder));
  for (const folder of bundled) await bundle(join(ROOT, folder));
  return true;
}

/** Makes one module for each entry in the package's `exports`, and shared ones for what several have in common. */
async function bundle(folder) {
  const { exports } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const entries = Object.values(exports).flatMap(
    (target) => /^\.\/dist\/(.*)\.js$/.exec(target.default)?.[1] ?? [],
  );
  // Not imported before it is installed.
  const { build: viteBuild } = await import("vite");
  await viteBuild({
    root: folder,
    configFile: false,
    logLevel: "warn",
    build: {
      target: "es2022",
      outDir: "dist",
      // The declarations are there.
      emptyOutDir: false,
      // Whoever uses it minifies it, and reads it in a debugger.
      minify: false,
      sourcemap: true,
      lib: {
        entry: Object.fromEntries(entries.map((name) => [name, join(folder, "src", `${name}.ts`)])),
        formats: ["es"],
      },
      rolldownOptions: {
        external: (id) => !id.startsWith(".") && !isAbsolute(id),
        output: { entryFileNames: "[name].js", chunkFileNames: "shared/[name].js" },
      },
    },
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  process.exit((await build(...process.argv.slice(2))) ? 0 : 1);
