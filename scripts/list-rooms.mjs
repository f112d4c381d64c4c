// Prints one line for each source file: its name and the first sentence of the doc comment of its main export.
// `--write` puts the list into ARCHITECTURE.md, where a test holds it to the sources.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const DOCUMENT = join(ROOT, "ARCHITECTURE.md");
const BETWEEN = /(<!-- rooms -->\n)[\s\S]*(<!-- \/rooms -->)/;

/** The folders that are listed, each with its heading. */
const FOLDERS = [
  ["packages/server/src", "Server"],
  ["packages/client/src", "Client"],
  ["packages/testing/src", "Testing"],
  ["demo/server", "Demo: the server"],
  ["demo/src", "Demo: the page"],
];

/** @param {string} comment */
function firstSentence(comment) {
  const text = comment
    .replace(/^\s*\* ?/gm, "")
    .replace(/\{@link ([\w.]+)\}/g, "$1")
    .split(/\n\s*\n|\n\s*@/)[0]
    .replace(/\s+/g, " ")
    .trim();
  return /^(.*?[.:])(\s|$)/.exec(text)?.[1]?.replace(/:$/, ".") ?? text;
}

/** @param {string} file */
function describe(file) {
  const source = readFileSync(join(ROOT, file), "utf8");
  const comments = [
    ...source.matchAll(
      /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n(export (?:abstract )?(?:async )?(class|function|const|interface|type)\b)?/g,
    ),
  ];
  const rank = ["class", "function", "interface", "const", "type", undefined];
  const [main] = comments
    .filter(([, text]) => !/^[\s*]*@/.test(text ?? ""))
    .sort((a, b) => rank.indexOf(a[3]) - rank.indexOf(b[3]));
  return main === undefined
    ? file.endsWith("/index.ts")
      ? "What is exported."
      : "See its exports."
    : firstSentence(main[1]);
}

/** @param {string} folder @returns {string[]} */
function filesIn(folder) {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .sort()
    .map((name) => join(folder, name));
}

/** The list, as it stands in ARCHITECTURE.md. */
export function listRooms() {
  return FOLDERS.map(([folder, heading]) => {
    const rows = filesIn(folder).map((file) => `- \`${file.slice(folder.length + 1)}\`: ${describe(file)}`);
    return `### ${heading} (\`${folder}\`)\n\n${rows.join("\n")}\n`;
  }).join("\n");
}

/** Puts the list between its marks. @param {string} document */
export function withRooms(document) {
  return document.replace(BETWEEN, (_all, open, close) => `${open}\n${listRooms()}\n${close}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv.includes("--write")) writeFileSync(DOCUMENT, withRooms(readFileSync(DOCUMENT, "utf8")));
  else console.log(listRooms());
}
