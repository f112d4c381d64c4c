import { mkdtemp, readdir, rm } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { fileStore } from "../src/stores/file/file-store.js";
import { callTool, failureOf, startLife } from "./sdk/clients.js";
import { eventually } from "./sdk/eventually.js";
import { startServer } from "./sdk/mcp-server.js";

const timers = (): number =>
  process.getActiveResourcesInfo().filter((resource) => resource === "Timeout").length;

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "after-close-"));
  onTestFinished(() => rm(path, { recursive: true }));
  return path;
}

const locks = async (path: string): Promise<readonly string[]> =>
  (await readdir(path)).filter((name) => name.endsWith(".lock"));

/** An event stream that never ends. */
const endless = (response: ServerResponse): void => {
  response.writeHead(200, { "Content-Type": "text/event-stream" }).flushHeaders();
};

test("after close() nothing is left, whatever its streams were doing: no timer, no lock, no request at the server", async () => {
  const server = await startServer();
  const path = await folder();
  const store = fileStore(path);
  const first = await startLife(server.url, store);
  callTool(first, "unclaimed");
  (await server.call("unclaimed")).progress(1);
  await eventually(() => expect(first.told("cursor").some(({ persisted }) => persisted)).toBe(true));
  await first.client.close();

  const timersBefore = timers();
  const life = await startLife(server.url, store);
  expect(life.transport.interrupted()).toHaveLength(1);
  const abort = new AbortController();
  const read = callTool(life, "read");
  const waiting = callTool(life, "waiting");
  callTool(life, "cancelled", { signal: abort.signal });
  await eventually(() => expect(server.calls).toHaveLength(4));
  await server.listening();
  // The resume is refused so that a ping must decide, and both the ping and a notification are answered by a stream.
  let pinged = 0;
  server.refuse = ({ method, rpc }) => {
    if (rpc === "ping") pinged += 1;
    if (rpc === "ping" || rpc === "notifications/cancelled") return endless;
    return method === "GET" ? 400 : undefined;
  };
  abort.abort();
  (await server.call("waiting")).stream.cut();
  expect(await failureOf(waiting.result)).toMatchObject({ code: "cursor-lost" });
  expect(pinged).toBe(1);
  // The call, the other one and the standalone stream. At once: in the end the garbage collector closes the rest too.
  await vi.waitFor(() => expect(server.answering).toBe(3), { timeout: 3000 });
  server.refuse = ({ method }) => (method === "GET" ? 503 : undefined);
  (await server.call("unclaimed")).stream.cut();
  await eventually(() => expect(life.transport.status.state).toBe("waiting"));

  expect(await locks(path)).toHaveLength(1);
  await life.client.close();
  expect(await failureOf(read.result)).toMatchObject({ code: "closed", maybeExecuted: true });
  await eventually(() => expect(server.answering).toBe(0));
  await eventually(() => expect(timers()).toBeLessThanOrEqual(timersBefore));
  expect(await locks(path)).toEqual([]);
});

test("after close() the server has no socket of ours, and the process no timer", async () => {
  const server = await startServer();
  const timersBefore = timers();
  const life = await startLife(server.url);
  const calls = Array.from({ length: 3 }, (_, n) => callTool(life, `work${n}`));
  await eventually(() => expect(server.calls).toHaveLength(3));
  await server.listening();
  // One in each state: read, waiting for its next attempt, unclaimed.
  server.refuse = ({ method }) => (method === "GET" ? 503 : undefined);
  server.calls[0]!.stream.cut();
  await eventually(() => expect(life.transport.status.state).toBe("waiting"));
  await life.client.close();
  for (const { result } of calls)
    expect(await failureOf(result)).toMatchObject({ code: "closed", maybeExecuted: true });
  await eventually(() =>
    expect(server.sessions.get(server.session.id)!.streams.some((s) => s.isConnected)).toBe(false),
  );
  await eventually(() => expect(timers()).toBeLessThanOrEqual(timersBefore));
  const requests = server.received.length;
  server.refuse = () => undefined;
  await new Promise((resolve) => setImmediate(resolve));
  expect(server.received).toHaveLength(requests);
  expect(life.errors).toEqual([]);
});
