import { expect, test } from "vitest";
import { memoryStore } from "../src/index.js";
import { callTool, failureOf, openStore, startLife, textOf, textResult } from "./sdk/clients.js";
import { startServer } from "./sdk/mcp-server.js";
import { eventually } from "./sdk/eventually.js";

test("other client information makes a new session, and the old calls finish on the old one", async () => {
  const server = await startServer();
  const store = memoryStore();
  const first = await startLife(server.url, store);
  const { seen } = callTool(first, "work");
  const call = await server.call("work");
  call.progress(1);
  await eventually(() => expect(seen).toEqual([1]));
  await first.client.close();

  const second = await startLife(server.url, store, { capabilities: { sampling: {} } });
  expect(server.count("initialize")).toBe(2);
  expect(second.transport.sessionId).not.toBe(call.session.id);
  call.progress(2);
  await second.client.close();

  // And so it is in the life after that.
  const third = await startLife(server.url, store, { capabilities: { sampling: {} } });
  expect(server.count("initialize")).toBe(2);
  const again: unknown[] = [];
  const interrupted = third.transport.interrupted()[0]!;
  interrupted.onprogress = ({ progress }) => again.push(progress);
  call.progress(3);
  call.result(textResult("on the old one"));
  expect(textOf(await interrupted.result)).toBe("on the old one");
  expect(again).toEqual([2, 3]);
  expect(server.count("tools/call")).toBe(1);
  expect(third.told("sessionreplaced")).toEqual([]);
});

test("settings of the old session are not those of one that was made for other client information", async () => {
  const server = await startServer({ capabilities: { logging: {} } });
  const store = openStore();
  const first = await startLife(server.url, store);
  await first.client.setLoggingLevel("error");
  await first.client.close();
  await startLife(server.url, store, { name: "another" });
  await eventually(() => expect(store.records.at(-1)?.logLevel).toBeUndefined());
});

test("when the old session is gone, its calls fail without a new session being made for them", async () => {
  const server = await startServer();
  const store = memoryStore();
  const first = await startLife(server.url, store);
  const { seen } = callTool(first, "work");
  const call = await server.call("work");
  call.progress(1);
  await eventually(() => expect(seen).toEqual([1]));
  await first.client.close();
  server.sessions.delete(call.session.id);

  const second = await startLife(server.url, store, { name: "another" });
  const { result } = second.transport.interrupted()[0]!;
  expect(await failureOf(result)).toMatchObject({ code: "session-lost", maybeExecuted: true });
  expect(server.count("initialize")).toBe(2);
});
