// Sets the rules that ESLint checks; for each folder, one of them says what it may import.
import js from "@eslint/js";
import { defineConfig, globalIgnores } from "eslint/config";
import tseslint from "typescript-eslint";

/**
 * What each folder may import beside itself and the vocabulary in its package's root (errors, events, options, JSON-RPC):
 * data goes one way, and an import that runs back up is an error (ARCHITECTURE.md).
 */
const FOLDERS = {
  "packages/server/src": {
    log: [],
    logs: ["log"],
    store: ["log", "logs"],
    sdk: ["log", "logs", "store"],
  },
  "packages/client/src": {
    wait: [],
    connections: ["wait"],
    state: ["wait"],
    stream: ["connections", "state", "wait"],
    session: ["stream", "connections", "state", "wait"],
    calls: ["session", "stream", "connections", "state", "wait"],
    stores: ["state", "wait"],
    auth: ["wait"],
  },
};

/** Files that put the folders together: nothing in a folder imports them. */
const ON_TOP = ["**/index.js", "**/transport.js"];

const oneWay = Object.entries(FOLDERS).flatMap(([root, folders]) => {
  const patternsBeside = (allowed) =>
    Object.keys(folders).flatMap((folder) => (allowed.includes(folder) ? [] : [`**/${folder}/**`]));
  const rule = (files, allowed, message, more = []) => ({
    files,
    rules: {
      "@typescript-eslint/no-restricted-imports": [
        "error",
        { patterns: [{ group: [...ON_TOP, ...patternsBeside(allowed)], message }, ...more] },
      ],
    },
  });
  return [
    rule(
      [`${root}/{errors,events,json-rpc,options}.ts`],
      ["state"],
      "The vocabulary is for all folders, so it imports none of them but the types of the state store.",
    ),
    ...Object.entries(folders).map(([folder, allowed]) =>
      rule(
        [`${root}/${folder}/**/*.ts`],
        [folder, ...allowed],
        `${folder} may import ${allowed.join(", ") || "no other folder"}, and the root's vocabulary. Data goes one way.`,
      ),
    ),
    ...("stream" in folders
      ? [
          rule(
            [`${root}/stream/{classify,backoff}.ts`],
            ["stream", "state"],
            "Decisions are pure: no connections, no waits, no clock.",
            [
              {
                group: ["connection", "http", "loop", "read-events", "task", "watchdog"].map(
                  (name) => `**/${name}.js`,
                ),
                message: "Decisions are pure: no I/O, no clock.",
              },
            ],
          ),
        ]
      : []),
  ];
});

export default defineConfig(
  globalIgnores([
    "**/dist/",
    "**/node_modules/",
    ".cache/",
    "coverage/",
    "test-results/",
    "playwright-report/",
  ]),
  js.configs.recommended,
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      "@typescript-eslint/restrict-template-expressions": [
        "error",
        { allowNumber: true, allowBoolean: true },
      ],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      "@typescript-eslint/no-import-type-side-effects": "error",
      "@typescript-eslint/consistent-type-imports": "error",
    },
  },
  {
    files: ["**/*.{js,mjs}"],
    languageOptions: { globals: { process: "readonly", console: "readonly", URL: "readonly" } },
  },
  { rules: { "max-lines": ["error", 300] } },
  { files: ["**/test/**"], rules: { "max-lines": ["error", 400] } },
  {
    files: ["**/test/**/*.ts", "e2e/**/*.ts"],
    rules: { "@typescript-eslint/no-non-null-assertion": "off", "@typescript-eslint/require-await": "off" },
  },
  ...oneWay,
);
