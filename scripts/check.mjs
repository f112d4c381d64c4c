// `npm run check`: looks at all that can be said about the code without running it, and at what would be
// published.
import { build } from "./build.mjs";
import { checkPackages } from "./check-packages.mjs";
import { namesOf, readOptions, runStages } from "./run-stages.mjs";
import { runTool } from "./run-command.mjs";

/** @type {readonly import("./run-stages.mjs").Stage[]} */
const STAGES = [
  { name: "build", purpose: "compile the packages, which the next stages look at", run: () => build() },
  {
    name: "lint",
    purpose: "house rules, formatting, unused code and dependencies",
    // ESLint keeps one core busy for as long as the others take together, three times over.
    run: async () => {
      const others = async () => (await runTool("prettier", ["--check", "."])) && (await runTool("knip", []));
      return (await Promise.all([runTool("eslint", ["."]), others()])).every(Boolean);
    },
  },
  {
    name: "packages",
    purpose: "what would be published: files, types, size",
    run: () => checkPackages(),
  },
];

const options = readOptions(`npm run check -- [options]
  --only <stages>   run these alone, separated by commas: ${namesOf(STAGES).join(", ")}`);

if ((await runStages(STAGES, options.only)) === undefined) console.log("\nEverything is in order.");
else process.exitCode = 1;
