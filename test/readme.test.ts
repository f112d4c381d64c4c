import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { exampleOf, typeErrorsOf, writeExample } from "../test-support/page-examples.js";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** Inside the repository, so that the examples find the packages as an app that has installed them does. */
const FOLDER = join(ROOT, ".cache/readme-examples");

/** The port that the examples in the README speak of. */
const README_PORT = "3000";

const running: ChildProcess[] = [];

beforeEach(async () => {
  await rm(FOLDER, { recursive: true, force: true });
  await mkdir(FOLDER, { recursive: true });
});

afterEach(async () => {
  for (const child of running.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  }
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "localhost");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  server.close();
  await once(server, "close");
  return address.port;
}

function start(script: string, port: number): { child: ChildProcess; output: () => string } {
  const child = spawn(process.execPath, [script], {
    cwd: FOLDER,
    env: { ...process.env, PORT: String(port) },
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.push(child);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (chunk: string) => (output += chunk));
  }
  return { child, output: () => output };
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
      expect(serverRun.child.exitCode, serverRun.output()).toBeNull();
      await fetch(`http://localhost:${port}/mcp`, { method: "PUT" });
    },
    { timeout: 20_000, interval: 50 },
  );

  const clientRun = start(client.script, port);
  const [exitCode] = (await once(clientRun.child, "exit", { signal: AbortSignal.timeout(40_000) })) as [
    number | null,
  ];
  expect(exitCode, clientRun.output()).toBe(0);
  const printed = /<!-- prints: (?<text>.+) -->/.exec(readme)?.groups?.text;
  if (printed === undefined)
    throw new Error('README.md does not say what the client example prints: "<!-- prints: … -->".');
  expect(clientRun.output()).toContain(printed);
});
