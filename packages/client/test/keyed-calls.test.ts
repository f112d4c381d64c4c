import { expect, test } from "vitest";
import { memoryStore } from "../src/index.js";
import { callTool, failureOf, startLife, textOf, textResult } from "./sdk/clients.js";
import { startServer } from "./sdk/mcp-server.js";
import { eventually } from "./sdk/eventually.js";

test("two calls with one key run once, and both get every message and the result", async () => {
  const server = await startServer();
  const life = await startLife(server.url);
  const first = callTool(life, "work", { key: "k" });
  const call = await server.call("work");
  const second = callTool(life, "work", { key: "k" });
  const other = callTool(life, "work", { key: "another" });
  const otherCall = await server.call("work", 1);
  call.progress(1, 2);
  call.result(textResult("shared"));
  otherCall.result(textResult("other"));
  for (const { result, seen } of [first, second]) {
    expect(textOf(await result)).toBe("shared");
    expect(seen).toEqual([1, 2]);
  }
  expect(textOf(await other.result)).toBe("other");
  expect(server.calls).toHaveLength(2);
  expect(life.errors).toEqual([]);
});

test("one key for two methods is two calls", async () => {
  const server = await startServer({ capabilities: { tools: {}, prompts: {} } });
  const life = await startLife(server.url);
  const { result } = callTool(life, "work", { key: "k" });
  const call = await server.call("work");
  const params = { name: "work", _meta: { "resumable-mcp/key": "k" } };
  const prompt = life.client.getPrompt(params);
  (await server.call("work", 1)).result({ messages: [] });
  call.result(textResult("tool"));
  expect(await prompt).toMatchObject({ messages: [] });
  expect(textOf(await result)).toBe("tool");
});

test("a key is free again when its call is over", async () => {
  const server = await startServer();
  const life = await startLife(server.url);
  for (const [index, text] of ["one", "two"].entries()) {
    const { result } = callTool(life, "work", { key: "k" });
    (await server.call("work", index)).result(textResult(text));
    expect(textOf(await result)).toBe(text);
  }
});

test("giving up one of two calls with one key leaves the other; giving up both cancels", async () => {
  const server = await startServer();
  const life = await startLife(server.url);
  const aborts = [new AbortController(), new AbortController()];
  const first = callTool(life, "work", { key: "k", signal: aborts[0]!.signal });
  const call = await server.call("work");
  const second = callTool(life, "work", { key: "k", signal: aborts[1]!.signal });
  aborts[0]!.abort("not I");
  await expect(first.result).rejects.toThrow("not I");
  call.progress(1);
  await eventually(() => expect(second.seen).toEqual([1]));
  expect(server.count("notifications/cancelled")).toBe(0);
  aborts[1]!.abort("nor I");
  await expect(second.result).rejects.toThrow("nor I");
  await eventually(() => expect(server.count("notifications/cancelled")).toBe(1));
  await eventually(() => expect(call.stream.isConnected).toBe(false));
});

test("both calls with one key learn that it failed", async () => {
  const server = await startServer();
  const life = await startLife(server.url);
  const first = callTool(life, "work", { key: "k" });
  const call = await server.call("work");
  const second = callTool(life, "work", { key: "k" });
  await life.client.ping();
  call.session.streams.length = 0;
  call.stream.cut();
  for (const { result } of [first, second])
    expect(await failureOf(result)).toMatchObject({ code: "cursor-lost", maybeExecuted: true });
});

/** A life that ends while a keyed call runs. */
async function reloadKeyed() {
  const server = await startServer();
  const store = memoryStore();
  const first = await startLife(server.url, store);
  const { seen } = callTool(first, "work", { key: "k" });
  const call = await server.call("work");
  call.progress(1);
  await eventually(() => expect(seen).toEqual([1]));
  await first.client.close();
  return { server, store, call };
}

test("after a reload a keyed call attaches to the one that runs", async () => {
  const { server, store, call } = await reloadKeyed();
  const life = await startLife(server.url, store);
  const { result, seen } = callTool(life, "work", { key: "k" });
  call.progress(2, 3);
  await eventually(() => expect(seen).toEqual([2, 3]));
  call.result(textResult("attached"));
  expect(textOf(await result)).toBe("attached");
  expect(life.transport.interrupted()).toEqual([]);
  expect(server.calls).toHaveLength(1);
  expect(life.errors).toEqual([]);
});

test("it attaches too when the call finished while the page was away, and after its messages were read", async () => {
  const { server, store, call } = await reloadKeyed();
  call.progress(2);
  call.result(textResult("meanwhile"));
  const life = await startLife(server.url, store);
  await eventually(() => expect(server.count("GET")).toBeGreaterThan(1));
  await eventually(() => expect(call.stream.isConnected).toBe(false));
  const { result, seen } = callTool(life, "work", { key: "k" });
  expect(textOf(await result)).toBe("meanwhile");
  expect(seen).toEqual([2]);
  expect(server.calls).toHaveLength(1);
  await life.client.close();
  expect((await startLife(server.url, store)).transport.interrupted()).toEqual([]);
});

test("it attaches beside an app that claims the same call, and both get the result", async () => {
  const { server, store, call } = await reloadKeyed();
  const life = await startLife(server.url, store);
  const claimed = life.transport.interrupted()[0]!.result;
  const { result } = callTool(life, "work", { key: "k" });
  call.result(textResult("both"));
  expect(textOf(await claimed)).toBe("both");
  expect(textOf(await result)).toBe("both");
  expect(server.calls).toHaveLength(1);
});

test("cancelling an attached call cancels the one that runs", async () => {
  const { server, store, call } = await reloadKeyed();
  const life = await startLife(server.url, store);
  const abort = new AbortController();
  const { result } = callTool(life, "work", { key: "k", signal: abort.signal });
  await eventually(() => expect(call.stream.isConnected).toBe(true));
  abort.abort("enough");
  await expect(result).rejects.toThrow("enough");
  await eventually(() => expect(server.messages("notifications/cancelled")).toHaveLength(1));
  expect(server.messages("notifications/cancelled")[0]?.params?.requestId).toBe(call.message.id);
  await eventually(() => expect(call.stream.isConnected).toBe(false));
  await life.client.close();
  expect((await startLife(server.url, store)).transport.interrupted()).toEqual([]);
});

test("an error of the server reaches an attached call as the SDK's own error", async () => {
  const { server, store, call } = await reloadKeyed();
  const life = await startLife(server.url, store);
  const { result } = callTool(life, "work", { key: "k" });
  call.error(-32000, "out of paper");
  await expect(result).rejects.toMatchObject({
    code: -32000,
    message: expect.stringContaining("out of paper") as unknown,
  });
  expect(server.calls).toHaveLength(1);
});

test("a keyed call that cannot go on fails once, and is run when it is made again", async () => {
  const { server, store, call } = await reloadKeyed();
  call.session.streams.length = 0;
  const life = await startLife(server.url, store);
  const failed = callTool(life, "work", { key: "k" });
  expect(await failureOf(failed.result)).toMatchObject({ code: "cursor-lost", maybeExecuted: true });
  const { result } = callTool(life, "work", { key: "k" });
  (await server.call("work", 1)).result(textResult("anew"));
  expect(textOf(await result)).toBe("anew");
});
