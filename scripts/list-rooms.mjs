// Lists the source files, each with the first sentence of the comment on its first line; `--write` puts the list into ARCHITECTURE.md.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const DOCUMENT = join(ROOT, "ARCHITECTURE.md");
const BETWEEN = /(<!-- rooms -->\n)[\s\S]*(<!-- \/rooms -->)/;

/** The folders that are listed, each with its heading. */
const LISTED = [
  ["packages/server/src", "Server"],
  ["packages/client/src", "Client"],
  ["packages/testing/src", "Testing"],
  ["demo/server", "Demo: the server"],
  ["demo/src", "Demo: the page"],
];
/** Folders whose files say what they are for, too, but are not listed. */
const UNLISTED = ["scripts", "test-support", "e2e", "examples"];

/** @param {string} folder @returns {string[]} its source files, from the repository's folder */
function filesIn(folder) {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => /\.(ts|mjs)$/.test(name) && !name.endsWith(".d.mts"))
    .sort()
    .map((name) => join(folder, name).replaceAll("\\", "/"));
}

/** Every file that has to say what it is for. @returns {string[]} */
export function sourceFiles() {
  return [...LISTED.map(([folder]) => folder), ...UNLISTED].flatMap(filesIn);
}

/**
 * The first sentence of the comment that starts on the first line of a file.
 *
 * @param {string} file from the repository's folder
 * @returns {string | undefined} `undefined` when there is no such comment
 */
export function headerOf(file) {
  const lines = readFileSync(join(ROOT, file), "utf8").split("\n");
  const end = lines.findIndex((line) => !line.startsWith("// "));
  const text = lines
    .slice(0, end)
    .map((line) => line.slice(3))
    .join(" ");
  // A dot that ends a sentence has a space behind it: those in `errors.ts` and `node:fs` have not.
  return text === "" ? undefined : (/^.*?[.!?](?=\s|$)/.exec(text)?.[0] ?? text);
}

/** The list, as it stands in ARCHITECTURE.md. @returns {string} */
export function listRooms() {
  return LISTED.map(([folder, heading]) => {
    const rows = filesIn(folder).map((file) => `- \`${file.slice(folder.length + 1)}\`: ${headerOf(file)}`);
    return `### ${heading} (\`${folder}\`)\n\n${rows.join("\n")}\n`;
  }).join("\n");
}

/** Puts the list between its marks. @param {string} document @returns {string} */
export function withRooms(document) {
  return document.replace(BETWEEN, (_all, open, close) => `${open}\n${listRooms()}\n${close}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv.includes("--write")) writeFileSync(DOCUMENT, withRooms(readFileSync(DOCUMENT, "utf8")));
  else console.log(listRooms());
}
