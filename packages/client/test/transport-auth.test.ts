import { expect, test } from "vitest";
import { memoryStore } from "../src/index.js";
import { callTool, failureOf, prepareLife, startLife, textOf, textResult } from "./sdk/clients.js";
import { type McpServer, startServer } from "./sdk/mcp-server.js";
import { eventually } from "./sdk/eventually.js";

/** A server that takes one token at a time, and a provider that fetches the one that it takes. */
async function startGuarded() {
  const server = await startServer();
  const state = { valid: "t1", held: "t1", refreshed: 0 };
  guard(server, () => state.valid);
  const authProvider = {
    token: () => state.held,
    async onUnauthorized() {
      await Promise.resolve();
      state.refreshed += 1;
      state.held = state.valid;
    },
  };
  return { server, state, authProvider };
}

function guard(server: McpServer, valid: () => string): void {
  server.refuse = ({ headers }) => (headers.authorization === `Bearer ${valid()}` ? undefined : 401);
}

test("a token that expires in the middle of a call is refreshed for the resume, and nothing is lost", async () => {
  const { server, state, authProvider } = await startGuarded();
  const life = await startLife(server.url, memoryStore(), { authProvider });
  await server.listening();
  const { result, seen } = callTool(life, "work");
  const call = await server.call("work");
  call.progress(1);
  await eventually(() => expect(seen).toEqual([1]));
  state.valid = "t2";
  call.stream.cut();
  call.progress(2);
  call.result(textResult("refreshed"));
  expect(textOf(await result)).toBe("refreshed");
  expect(seen).toEqual([1, 2]);
  expect(state.refreshed).toBe(1);
  expect(server.calls).toHaveLength(1);
  expect(life.errors).toEqual([]);
});

test("a token that expired while the page was away is refreshed for the interrupted call", async () => {
  const { server, state, authProvider } = await startGuarded();
  const store = memoryStore();
  const first = await startLife(server.url, store, { authProvider });
  const { seen } = callTool(first, "work");
  const call = await server.call("work");
  call.progress(1);
  await eventually(() => expect(seen).toEqual([1]));
  await first.client.close();
  state.valid = "t2";
  const second = await startLife(server.url, store, { authProvider });
  const { result } = second.transport.interrupted()[0]!;
  call.result(textResult("refreshed"));
  expect(textOf(await result)).toBe("refreshed");
});

test("credentials that do not help are tried once for each request, never in a loop", async () => {
  const { server, state, authProvider } = await startGuarded();
  const useless = {
    ...authProvider,
    onUnauthorized: () => {
      state.refreshed += 1;
    },
  };
  const life = await startLife(server.url, memoryStore(), { authProvider: useless });
  await server.listening();
  const { result } = callTool(life, "work");
  const call = await server.call("work");
  state.valid = "another";
  call.stream.cut();
  const before = server.count("GET");
  expect(await failureOf(result)).toMatchObject({ code: "unauthorized", maybeExecuted: true, status: 401 });
  expect(server.count("GET") - before).toBe(2);
  expect(state.refreshed).toBe(1);
  expect(await failureOf(callTool(life, "next").result)).toMatchObject({
    code: "unauthorized",
    maybeExecuted: false,
  });
  expect(state.refreshed).toBe(2);
});

test("without an authProvider a 401 is a typed error at connect", async () => {
  const server = await startServer();
  guard(server, () => "t");
  await expect(startLife(server.url)).rejects.toMatchObject({ code: "unauthorized", status: 401 });
  expect(server.received).toHaveLength(1);
});

test("a login that hangs does not hold up close()", async () => {
  const server = await startServer();
  guard(server, () => "t");
  let asked = 0;
  const authProvider = {
    token: () => "old",
    onUnauthorized: () => {
      asked += 1;
      return new Promise<void>(() => undefined);
    },
  };
  const { client, transport } = prepareLife(server.url, memoryStore(), { authProvider });
  const connecting = client.connect(transport);
  connecting.catch(() => undefined);
  await eventually(() => expect(asked).toBe(1));
  await transport.close();
  await expect(connecting).rejects.toMatchObject({ code: "closed" });
});
