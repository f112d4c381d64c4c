import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

import { afterEach, expect, test, vi } from "vitest";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

let demo: ChildProcess | undefined;

afterEach(() => {
  demo?.kill("SIGKILL");
});

function startDemo(args: readonly string[]): { child: ChildProcess; output: () => string } {
  const child = spawn(process.execPath, ["scripts/demo.mjs", "--no-open", ...args], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "pipe"],
  });
  demo = child;
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (chunk: string) => (output += chunk));
  }
  return { child, output: () => output };
}

async function addressOf(what: string, { child, output }: ReturnType<typeof startDemo>): Promise<string> {
  return vi.waitFor(
    () => {
      expect(child.exitCode, output()).toBeNull();
      const url = new RegExp(`${what}: +(?<url>http://\\S+)`).exec(output())?.groups?.url;
      if (url === undefined) throw new Error(`No address yet in: ${output()}`);
      return url;
    },
    { timeout: 50_000, interval: 100 },
  );
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

  const exited = once(run.child, "exit");
  run.child.kill("SIGINT");
  expect(await exited).toEqual([0, null]);
});

test.each([
  { args: ["--port", "80000"], message: "--port must be from 0 to 65535, not 80000" },
  { args: ["--prot", "1"], message: "Unknown option '--prot'" },
])("the demo command says what is wrong with $args", async ({ args, message }) => {
  const { child, output } = startDemo(args);
  expect(await once(child, "exit")).toEqual([1, null]);
  expect(output()).toContain(message);
});
