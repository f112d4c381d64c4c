import { type Dirent, readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { fileURLToPath } from "node:url";

import ts from "typescript";
import { describe, expect, it, test } from "vitest";

import { headerOf, sourceFiles, withRooms } from "../scripts/list-rooms.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const textOf = (file: string): string => readFileSync(join(ROOT, file), "utf8");

const MADE = new Set([
  "node_modules",
  "dist",
  ".cache",
  ".git",
  "coverage",
  "test-results",
  "playwright-report",
]);

/** What is in a folder of the repository and below, but what is installed or made: files, and folders with a `/`. */
function entriesIn(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry: Dirent) => {
    const path = posix.join(folder, entry.name);
    if (MADE.has(entry.name)) return [];
    return entry.isDirectory() ? [`${path}/`, ...entriesIn(path)] : [path];
  });
}

const ENTRIES = entriesIn(".");

describe("the first line of every source file", () => {
  /** As much as a sentence needs that says something. */
  const LEAST_WORDS = 5;

  it.each(sourceFiles())("of %s begins a sentence that says what the file is for", (file) => {
    const header = headerOf(file) ?? "";
    expect(header, "no comment on its first line").not.toBe("");
    expect(header).toMatch(/^["'`A-Z0-9].*[.!?]$/);
    expect(header).not.toMatch(/^See /);
    expect(header.split(" ").length, header).toBeGreaterThanOrEqual(LEAST_WORDS);
  });

  it("stands in ARCHITECTURE.md; `node scripts/list-rooms.mjs --write` brings the list up to date", () => {
    const document = textOf("ARCHITECTURE.md");
    expect(withRooms(document)).toBe(document);
  });
});

test("no file imports itself, directly or over others", () => {
  const files = ENTRIES.filter((file) => /\/src\/.*\.ts$/.test(file));
  const importsOf = new Map(
    files.map((file) => {
      const names = ts.preProcessFile(textOf(file)).importedFiles.map(({ fileName }) => fileName);
      const own = names.filter((name) => name.startsWith("."));
      return [file, own.map((name) => posix.join(posix.dirname(file), name).replace(/\.js$/, ".ts"))];
    }),
  );
  const circles: string[] = [];
  const done = new Set<string>();
  const follow = (file: string, path: readonly string[]): void => {
    const from = path.indexOf(file);
    if (from >= 0) circles.push([...path.slice(from), file].join(" > "));
    if (from >= 0 || done.has(file)) return;
    for (const imported of importsOf.get(file) ?? []) follow(imported, [...path, file]);
    done.add(file);
  };
  for (const file of files) follow(file, []);
  expect(files.length).toBeGreaterThan(100);
  expect(circles).toEqual([]);
});

describe("the documents", () => {
  const documents = ENTRIES.filter((file) => /^(docs\/)?[^/]+\.md$/.test(file));
  /** What an app has, and what is made: `server.ts` of the README's example, for one. */
  const ELSEWHERE = /^(dist\/|\.cache\/|node_modules\/|https?:|#)/;
  const names = new Set(ENTRIES.map((file) => posix.basename(file)));

  /** Paths and names of files and folders, in code and in links. */
  function namedIn(document: string): string[] {
    const text = textOf(document);
    const inLinks = [...text.matchAll(/\]\((?<path>[^)\s#]+)/g)].map(({ groups }) => groups?.path ?? "");
    const inCode = [...text.matchAll(/`(?<code>[^`\n]+)`/g)].flatMap(({ groups }) =>
      (groups?.code ?? "")
        .split(/\s+/)
        .filter((word) => /^[\w@.-]+(\/[\w@.*-]+)*(\.(ts|mjs|md|jsonc?)|\/)$/.test(word)),
    );
    return [...inLinks, ...inCode].filter((path) => !ELSEWHERE.test(path) && !path.includes("*"));
  }

  function exists(path: string, document: string): boolean {
    const plain = path.replace(/^\.\//, "");
    if (!plain.includes("/")) return names.has(plain);
    const beside = posix.join(posix.dirname(document), plain);
    return ENTRIES.some(
      (entry) => [plain, beside, `${beside}/`].includes(entry) || entry.endsWith(`/${plain}`),
    );
  }

  it.each(documents)("%s names no file of the repository that does not exist", (document) => {
    expect(namedIn(document).filter((path) => !exists(path, document))).toEqual([]);
  });
});
