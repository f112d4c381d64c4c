import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { memoryStore, ResumableTransport } from "@resumable-mcp/client";
import { type FaultProxy, faultProxy } from "@resumable-mcp/testing/fault-proxy";
import { afterEach, describe, expect, test } from "vitest";

import { ExampleProcess } from "../test-support/example-process.js";

const FOLDER = fileURLToPath(new URL("../examples/", import.meta.url));
const NAMES = readdirSync(FOLDER);
const COUNT_TO = 40;

let example: ExampleProcess | undefined;
let proxy: FaultProxy | undefined;

afterEach(async () => {
  await proxy?.close();
  await example?.kill();
});

const upTo = (last: number): number[] => Array.from({ length: last }, (_, index) => index + 1);

/** The status that the server answers to a ping in the session. */
async function statusOf(url: string, sessionId: string): Promise<number> {
  const response = await fetch(url, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      "mcp-session-id": sessionId,
      "mcp-protocol-version": "2025-11-25",
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 99, method: "ping" }),
  });
  await response.body?.cancel();
  return response.status;
}

describe.each(NAMES)("the example %s", (name) => {
  test("goes on with a call whose connection is destroyed in the middle, ends its session, and stops cleanly", async () => {
    const server = (example = await ExampleProcess.start(name));
    const network = (proxy = await faultProxy({ target: server.url, seed: 1 }));
    const transport = new ResumableTransport(network.url, { store: memoryStore() });
    const client = new Client({ name: "test", version: "1.0.0" });
    await client.connect(transport);

    const came: number[] = [];
    const call = { name: "count", arguments: { to: COUNT_TO, everyMs: 20 } };
    const result = await client.callTool(call, undefined, {
      onprogress: ({ progress }) => {
        came.push(progress);
        if (progress === 10 || progress === 25) network.killAll();
      },
    });
    expect(came).toEqual(upTo(COUNT_TO));
    expect(result.content).toEqual([{ type: "text", text: `counted to ${COUNT_TO}` }]);
    expect(network.counters.cutInMidStream).toBeGreaterThanOrEqual(2);
    expect(network.counters.cutOnResume).toBeGreaterThanOrEqual(1);

    const { sessionId = "" } = transport;
    expect(await statusOf(server.url, sessionId)).toBe(200);
    await transport.terminateSession();
    expect(await statusOf(server.url, sessionId)).toBe(404);
    await client.close();
    expect(await server.stop(), server.output).toBe(0);
  });
});

/** A diff of a guide: the lines as they are in the example, and as a server has them that cannot resume yet. */
interface Hunk {
  readonly after: string;
  readonly before: string;
}

function hunksOf(guide: string): readonly Hunk[] {
  const diffs = [...guide.matchAll(/```diff\n([\s\S]*?)```/g)].map(([, diff = ""]) => diff);
  return diffs.flatMap((diff) =>
    diff.split(/^@@\n/m).map((hunk) => {
      const lines = hunk.split("\n").slice(0, -1);
      const without = (sign: string): string =>
        lines.flatMap((line) => (line.startsWith(sign) ? [] : [`${line.slice(1)}\n`])).join("");
      return { after: without("-"), before: without("+") };
    }),
  );
}

describe.each(NAMES)("the guide of %s", (name) => {
  test("shows every line that has to do with it, as it is in the example", () => {
    const server = readFileSync(`${FOLDER}/${name}/server.ts`, "utf8");
    const hunks = hunksOf(readFileSync(`${FOLDER}/${name}/README.md`, "utf8"));
    expect(hunks.length).toBeGreaterThan(0);
    let without = server;
    for (const { after, before } of hunks) {
      expect(without).toContain(after);
      without = without.replace(after, () => before);
    }
    const subject = name === "metrics" ? /metrics|observe|prom-client|register\b/ : /\bstore\b|resumable-mcp/;
    expect(server).toMatch(subject);
    expect(without.replace(`name: "${name}"`, "")).not.toMatch(subject);
  });
});

test("the example metrics counts and times what its store does, and what its clients missed", async () => {
  const server = (example = await ExampleProcess.start("metrics"));
  const network = (proxy = await faultProxy({ target: server.url, seed: 1 }));
  const transport = new ResumableTransport(network.url, { store: memoryStore() });
  let missed = 0;
  transport.addEventListener("gap", ({ detail }) => {
    // The standalone stream has no event to resume from: of that one nobody can say what was missed.
    if (detail.stream.id !== undefined) missed += detail.missed ?? NaN;
  });
  const client = new Client({ name: "test", version: "1.0.0" });
  await client.connect(transport);
  const metric = async (name: string): Promise<number> => {
    const text = await (await fetch(new URL("/metrics", server.url))).text();
    const line = text.split("\n").find((each) => each.startsWith(`${name} `));
    return Number(line?.slice(name.length) ?? 0);
  };

  // The store keeps 100 of these, and the client is away for most of them.
  const call = { name: "count", arguments: { to: 300, everyMs: 0 } };
  const came: number[] = [];
  const result = client.callTool(call, undefined, {
    onprogress: ({ progress }) => {
      came.push(progress);
      if (progress === 10) network.setWeather([{ kind: "offline" }]);
    },
  });
  // The priming events and the responses of two requests, and the progress.
  await expect.poll(() => metric('mcp_store_total{type="stored"}'), { timeout: 20_000 }).toBe(304);
  network.setWeather([]);
  expect(await result).toMatchObject({ content: [{ text: "counted to 300" }] });
  expect(await metric('mcp_store_seconds_count{type="stored"}')).toBe(304);
  expect(await metric('mcp_store_total{type="gap"}')).toBe(1);
  expect(await metric("mcp_store_missed_total")).toBe(missed);
  expect(missed).toBe(300 - came.length);
  expect(missed).toBeGreaterThan(100);
  expect(await metric('mcp_store_total{type="replayed"}')).toBe(1);
  expect(await metric('mcp_store_total{type="session-ended"}')).toBe(0);
  await transport.terminateSession();
  expect(await metric('mcp_store_total{type="session-ended"}')).toBe(1);
  await client.close();
});
