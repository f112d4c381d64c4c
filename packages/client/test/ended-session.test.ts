import { expect, test } from "vitest";
import { memoryStore, type StateStore } from "../src/index.js";
import { callTool, failureOf, openStore, startLife, textOf, textResult } from "./sdk/clients.js";
import { startServer } from "./sdk/mcp-server.js";
import { eventually } from "./sdk/eventually.js";

const WORK = { jsonrpc: "2.0", id: 9, method: "tools/call", params: { name: "late" } } as const;

/** A store that tells what is done to its slot, in order. */
function tellingStore(): StateStore & { readonly steps: string[] } {
  const inner = memoryStore();
  const steps: string[] = [];
  return {
    steps,
    async acquire(scope, signal) {
      const slot = await inner.acquire(scope, signal);
      return {
        ...slot,
        save: (record) => (steps.push("save"), slot.save(record)),
        clear: () => (steps.push("clear"), slot.clear()),
      };
    },
  };
}

test("ends the running calls and the standalone stream at once, and nothing is saved after the slot was cleared", async () => {
  const server = await startServer();
  const store = tellingStore();
  const life = await startLife(server.url, store);
  await server.listening();
  const { result } = callTool(life, "work");
  const call = await server.call("work");
  call.progress(1);
  await life.transport.terminateSession();
  expect(await failureOf(result)).toMatchObject({ code: "session-lost", maybeExecuted: true });
  await eventually(async () => expect(await server.connections()).toBeLessThanOrEqual(1));
  expect(call.stream.isConnected).toBe(false);
  await life.client.close();
  expect(store.steps.lastIndexOf("clear")).toBe(store.steps.length - 1);
  expect(server.count("initialize")).toBe(1);
});

test("lets nothing be sent after it: the error says why", async () => {
  const server = await startServer();
  const { transport } = await startLife(server.url);
  await transport.terminateSession();
  expect(await failureOf(transport.send(WORK))).toMatchObject({ code: "session-lost", maybeExecuted: false });
  expect(server.calls).toEqual([]);
});

test("ends the new session when it comes in the middle of a replacement, and keeps nothing of it", async () => {
  const server = await startServer();
  const store = openStore();
  const life = await startLife(server.url, store);
  let answer: (() => void) | undefined;
  server.refuse = ({ rpc }) => {
    if (rpc !== "notifications/initialized" || answer !== undefined) return undefined;
    return (response) => (answer = () => response.writeHead(202).end());
  };
  server.sessions.clear();
  const { result } = callTool(life, "work");
  await eventually(() => expect(answer).toBeDefined());
  const ending = life.transport.terminateSession();
  answer?.();
  await ending;
  expect(await failureOf(result)).toMatchObject({ code: "session-lost" });
  expect([server.count("initialize"), server.sessions.size]).toEqual([2, 0]);
  await life.client.close();
  const next = await startLife(server.url, store);
  expect(server.count("initialize")).toBe(3);
  const { result: again } = callTool(next, "again");
  (await server.call("again")).result(textResult("new"));
  expect(textOf(await again)).toBe("new");
});
