// `npm run example`: runs one of the servers under `examples/`.
import { readdirSync } from "node:fs";
import { join } from "node:path";

import { fail } from "./fail.mjs";
import { ROOT } from "./run-command.mjs";
import { build, install, load } from "./run-typescript.mjs";

const FOLDER = join(ROOT, "examples");
const NAMES = readdirSync(FOLDER, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);

const [name, ...rest] = process.argv.slice(2);
if (name === undefined || rest.length > 0 || !NAMES.includes(name)) {
  fail(
    `npm run example -- <name>, with one of ${NAMES.join(", ")}. PORT is 3000 unless set, 0 for any free one.`,
  );
}
await install();
await build("packages/server");
await load(join("examples", name, "server.ts"));
