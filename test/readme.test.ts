import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { exampleOf, typeErrorsOf, writeExample } from "../test-support/page-examples.js";
import { freePort } from "../test-support/redis-server.js";
import { TestProcess } from "../test-support/test-process.js";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** Inside the repository, so that the examples find the packages as an app that has installed them does. */
const FOLDER = join(ROOT, ".cache/readme-examples");

/** The port that the examples in the README speak of. */
const README_PORT = "3000";

const running: TestProcess[] = [];

beforeEach(async () => {
  await rm(FOLDER, { recursive: true, force: true });
  await mkdir(FOLDER, { recursive: true });
});

afterEach(async () => {
  for (const child of running.splice(0)) await child.kill();
});

function start(script: string, port: number): TestProcess {
  const started = TestProcess.node(script, [], { cwd: FOLDER, env: { PORT: String(port) } });
  running.push(started);
  return started;
}

test("the README's server and client examples type-check and run against each other", async () => {
  const readme = await readFile(join(ROOT, "README.md"), "utf8");
  const port = await freePort();
  const examples = {
    server: exampleOf(readme, "tool") + exampleOf(readme, "server"),
    client: exampleOf(readme, "client"),
  };
  expect(examples.client).toContain(`http://localhost:${README_PORT}/mcp`);
  expect(examples.server).toContain(README_PORT);
  const server = await writeExample(FOLDER, "server", examples.server.replaceAll(README_PORT, String(port)));
  const client = await writeExample(FOLDER, "client", examples.client.replaceAll(README_PORT, String(port)));
  expect(typeErrorsOf([server.source, client.source])).toBe("");

  const serverRun = start(server.script, port);
  await vi.waitFor(
    async () => {
      expect(serverRun.isOver, serverRun.output).toBe(false);
      await fetch(`http://localhost:${port}/mcp`, { method: "PUT" });
    },
    { timeout: 20_000, interval: 50 },
  );

  const clientRun = start(client.script, port);
  expect(await clientRun.ended, clientRun.output).toBe(0);
  const printed = /<!-- prints: (?<text>.+) -->/.exec(readme)?.groups?.text;
  if (printed === undefined)
    throw new Error('README.md does not say what the client example prints: "<!-- prints: … -->".');
  expect(clientRun.output).toContain(printed);
});
