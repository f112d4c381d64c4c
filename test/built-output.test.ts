import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import ts from "typescript";
import { describe, expect, test } from "vitest";
import { z } from "zod";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const FOLDERS = ["packages/server", "packages/client", "packages/testing"];

const manifestSchema = z.object({
  name: z.string(),
  exports: z.record(z.string(), z.union([z.string(), z.record(z.string(), z.string())])),
  dependencies: z.record(z.string(), z.string()).default({}),
  peerDependencies: z.record(z.string(), z.string()).default({}),
  peerDependenciesMeta: z.record(z.string(), z.object({ optional: z.boolean() })).default({}),
});

function manifestOf(folder: string): z.infer<typeof manifestSchema> {
  return manifestSchema.parse(JSON.parse(readFileSync(join(ROOT, folder, "package.json"), "utf8")));
}

/** What a built file or its declarations import, types included. */
function importsOf(file: string): string[] {
  return ts
    .preProcessFile(readFileSync(file, "utf8"), true, true)
    .importedFiles.map(({ fileName }) => fileName);
}

/** Every specifier outside the package that can be reached from one of its built files. */
function reachedFrom(entry: string): Set<string> {
  const declarations = entry.endsWith(".d.ts");
  const outside = new Set<string>();
  const visited = new Set<string>();
  const queue = [resolve(ROOT, entry)];
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    if (visited.has(file)) continue;
    visited.add(file);
    for (const specifier of importsOf(file)) {
      if (!specifier.startsWith(".")) outside.add(specifier);
      else queue.push(resolve(dirname(file), declarations ? specifier.replace(/\.js$/, ".d.ts") : specifier));
    }
  }
  return outside;
}

describe.each([
  { entry: "packages/client/dist/index", mayReach: ["eventsource-parser"] },
  { entry: "packages/server/dist/index", mayReach: [] },
])("$entry", ({ entry, mayReach }) => {
  test.each([".js", ".d.ts"])("%s reaches no SDK, no Node built-in and nothing it need not", (extension) => {
    const names = [...reachedFrom(entry + extension)].map((specifier) => specifier.replace(/\/stream$/, ""));
    expect(mayReach).toEqual(expect.arrayContaining(names));
  });
});

test.each([
  ["sdk-v1", "@modelcontextprotocol/sdk/client/auth.js"],
  ["sdk-v2", "@modelcontextprotocol/client"],
])("packages/client/dist/auth/%s reaches its own SDK and nothing else", (entry, sdk) => {
  for (const extension of [".js", ".d.ts"])
    expect([...reachedFrom(`packages/client/dist/auth/${entry}${extension}`)]).toEqual([sdk]);
});

test("the walk over the imports is not blind: it finds what the stores of the client import", () => {
  expect(reachedFrom("packages/client/dist/index.js")).toContain("eventsource-parser");
  expect(reachedFrom("packages/client/dist/stores/indexeddb/indexeddb-store.js")).toContain("idb-keyval");
  const fileStoreImports = [...reachedFrom("packages/client/dist/stores/file/file-store.js")];
  expect(fileStoreImports.some((specifier) => specifier.startsWith("node:"))).toBe(true);
});

describe.each(FOLDERS)("%s", (folder) => {
  const manifest = manifestOf(folder);

  test.each(Object.entries(manifest.exports))("%s is built, with its types", (_, target) => {
    const files = typeof target === "string" ? [target] : Object.values(target);
    if (typeof target !== "string") expect(Object.keys(target)).toContain("types");
    for (const file of files) expect(existsSync(join(ROOT, folder, file)), file).toBe(true);
  });

  test("every peer is optional", () => {
    for (const peer of Object.keys(manifest.peerDependencies)) {
      expect(manifest.peerDependenciesMeta[peer], peer).toEqual({ optional: true });
    }
  });
});

test.each([
  { folder: "packages/client", sdks: ["@modelcontextprotocol/client", "@modelcontextprotocol/sdk"] },
  { folder: "packages/server", sdks: ["@modelcontextprotocol/sdk", "@modelcontextprotocol/server"] },
])("$folder takes both SDKs as peers and depends on neither", ({ folder, sdks }) => {
  const { peerDependencies, dependencies } = manifestOf(folder);
  expect(Object.keys(peerDependencies)).toEqual(expect.arrayContaining(sdks));
  for (const sdk of sdks) expect(Object.keys(dependencies)).not.toContain(sdk);
});
