import js from "@eslint/js";
import { defineConfig, globalIgnores } from "eslint/config";
import tseslint from "typescript-eslint";

/** An import that runs back up the data flow (ARCHITECTURE.md) is an error. */
const noImportsFrom = (files, patterns, message) => ({
  files,
  rules: {
    "@typescript-eslint/no-restricted-imports": ["error", { patterns: [{ group: patterns, message }] }],
  },
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
  {
    files: ["**/test/**/*.ts", "e2e/**/*.ts"],
    rules: { "@typescript-eslint/no-non-null-assertion": "off", "@typescript-eslint/require-await": "off" },
  },
  noImportsFrom(
    ["packages/server/src/log/**/*.ts"],
    ["**/logs/**", "**/store/**", "**/sdk/**", "**/index.js"],
    "The log's contract knows no driver and nothing of MCP.",
  ),
  noImportsFrom(
    ["packages/server/src/logs/**/*.ts"],
    ["**/store/**", "**/sdk/**", "**/index.js"],
    "A log stores; it knows nothing about MCP and nothing above it.",
  ),
  noImportsFrom(
    ["packages/server/src/store/**/*.ts"],
    ["**/sdk/**", "**/index.js"],
    "The store gives MCP's meaning to a log, whatever transport uses it.",
  ),
  noImportsFrom(
    ["packages/client/src/stores/**/*.ts"],
    ["**/transport.js", "**/calls/**", "**/session/**", "**/stream/**", "**/connections/**", "**/index.js"],
    "State flows from the loop to the store, never back.",
  ),
  noImportsFrom(
    ["packages/client/src/stream/{classify,backoff}.ts"],
    ["**/transport.js", "**/loop.js", "**/http.js", "**/wait/**", "**/index.js"],
    "Decisions are pure: no I/O, no clock.",
  ),
);
