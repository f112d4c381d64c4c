import { fileURLToPath } from "node:url";

import { afterEach, expect, test } from "vitest";

import { TestProcess } from "../test-support/test-process.js";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

let demo: TestProcess | undefined;

afterEach(() => demo?.kill());

function startDemo(args: readonly string[]): TestProcess {
  demo = TestProcess.node("scripts/demo.mjs", ["--no-open", ...args], { cwd: ROOT });
  return demo;
}

async function addressOf(what: string, started: TestProcess): Promise<string> {
  const { groups } = await started.printed(new RegExp(`${what}: +(?<url>http://\\S+)`), 50_000);
  return groups?.url ?? "";
}

test("the demo command serves the page and the MCP server, and stops cleanly when interrupted", async () => {
  const run = startDemo(["--port", "0", "--mcp-port", "0"]);
  const pageUrl = await addressOf("The demo runs", run);
  const mcpUrl = await addressOf("MCP server", run);

  const page = await fetch(pageUrl);
  expect(page.status).toBe(200);
  const html = await page.text();
  expect(html).toContain(`<meta name="mcp-url" content="${mcpUrl}">`);
  expect((await fetch(new URL("/src/main.ts", pageUrl))).status).toBe(200);
  // A request for a session that does not exist reaches the MCP server itself.
  const answer = await fetch(mcpUrl, { method: "POST", headers: { "Mcp-Session-Id": "nobody's" } });
  expect(answer.status).toBe(404);

  expect(await run.stop("SIGINT")).toBe(0);
});

test.each([
  { args: ["--port", "80000"], message: "--port must be from 0 to 65535, not 80000" },
  { args: ["--prot", "1"], message: "Unknown option '--prot'" },
])("the demo command says what is wrong with $args", async ({ args, message }) => {
  const run = startDemo(args);
  expect(await run.ended).toBe(1);
  expect(run.output).toContain(message);
});
