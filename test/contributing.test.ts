// Takes the log out of CONTRIBUTING.md, and holds it to the suite that every log must pass.

import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { EventLog } from "@resumable-mcp/server";
import { eventLogModelTest, eventLogSuite } from "@resumable-mcp/testing/event-log-suite";
import { describe, expect, it } from "vitest";
import { exampleOf, typeErrorsOf, writeExample } from "../test-support/page-examples.js";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** Inside the repository, so that the example finds the packages as somebody's own driver does. */
const FOLDER = join(ROOT, ".cache/contributing-examples");
const MAX_LINES = 60;
const MINUTE_MS = 60_000;

interface Texts {
  get(key: string): Promise<string | undefined>;
  set(key: string, text: string): Promise<unknown>;
  delete(key: string): Promise<unknown>;
}

interface Example {
  readonly textLog: (texts: Texts, now: () => number) => EventLog;
}

await rm(FOLDER, { recursive: true, force: true });
await mkdir(FOLDER, { recursive: true });
const page = await readFile(join(ROOT, "CONTRIBUTING.md"), "utf8");
const code = exampleOf(page, "log");
const { source, script } = await writeExample(FOLDER, "text-log", code);
const { textLog } = (await import(pathToFileURL(script).href)) as Example;

function fixture() {
  const clock = { ms: 1_000_000 };
  const kept = new Map<string, string>();
  const texts: Texts = {
    get: async (key) => kept.get(key),
    set: async (key, text) => kept.set(key, text),
    delete: async (key) => kept.delete(key),
  };
  const open = () => textLog(texts, () => clock.ms);
  return { log: open(), open, clock };
}

const suite = {
  name: "the log in CONTRIBUTING.md",
  create: fixture,
  capabilities: {
    time: {
      unitMs: MINUTE_MS,
      elapse: async ({ clock }: ReturnType<typeof fixture>, ms: number) => {
        clock.ms += ms;
      },
    },
    reopen: ({ open }: ReturnType<typeof fixture>) => open(),
  },
};

it("the log in CONTRIBUTING.md type-checks and is short", () => {
  expect(typeErrorsOf([source])).toBe("");
  expect(code.trimEnd().split("\n").length).toBeLessThanOrEqual(MAX_LINES);
});

eventLogSuite({ describe, it }, suite);
eventLogModelTest({ describe, it }, suite);
