import { InMemoryEventStore } from "@modelcontextprotocol/sdk/examples/shared/inMemoryEventStore.js";
import { describe, expect, it, onTestFinished } from "vitest";
import { startSdkServer, type SdkServerOptions } from "../../../../test-support/sdk-servers.js";
import { sdkClientV1, sdkClientV2 } from "../../../../test-support/weather/clients.js";

async function start(options: SdkServerOptions) {
  const server = await startSdkServer(options);
  onTestFinished(() => server.close());
  return server;
}

const initialize = {
  jsonrpc: "2.0",
  id: 0,
  method: "initialize",
  params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "raw", version: "1.0.0" } },
};

function send(
  url: string,
  message: object,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  return fetch(url, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      ...headers,
    },
    body: JSON.stringify(message),
  });
}

describe.each(["1.30", "1.32", "2.0", "2.4"] as const)("a stock server of SDK %s", (sdk) => {
  it.each([
    ["1.x", sdkClientV1],
    ["2.x", sdkClientV2],
  ])("counts for a client of SDK %s, each call once and by its key", async (_name, connect) => {
    const server = await start({ sdk, eventStoreFor: () => new InMemoryEventStore() });
    const client = await connect(server.url, 10_000);
    onTestFinished(() => client.close());
    const arrivals: string[] = [];
    const text = await client.count({ key: "k", messages: 5, intervalMs: 2 }, (arrived) =>
      arrivals.push(arrived),
    );
    expect(text).toBe("k counted to 5");
    expect(arrivals).toEqual(["k#1", "k#2", "k#3", "k#4", "k#5"]);
    expect([server.executions("k"), server.executions("other")]).toEqual([1, 0]);
  });

  it("makes a session and a store of its own for each client, and ends them by DELETE", async () => {
    const stores: string[] = [];
    const closed: string[] = [];
    const server = await start({
      sdk,
      eventStoreFor: (sessionId) => {
        stores.push(sessionId);
        return new InMemoryEventStore();
      },
      onSessionClosed: (sessionId) => void closed.push(sessionId),
    });
    const answers = [await send(server.url, initialize), await send(server.url, initialize)];
    const ids = answers.map((answer) => answer.headers.get("mcp-session-id"));
    await Promise.all(answers.map((answer) => answer.text()));
    expect(ids).toEqual(stores);
    expect(server.sessions).toEqual(stores);
    const [first = "", second = ""] = stores;
    const ended = await fetch(server.url, { method: "DELETE", headers: { "mcp-session-id": first } });
    expect([ended.status, server.sessions, closed]).toEqual([200, [second], [first]]);
    const ping = { jsonrpc: "2.0", id: 1, method: "ping" };
    expect((await send(server.url, ping, { "mcp-session-id": first })).status).toBe(404);
    expect((await send(server.url, ping, { "mcp-session-id": second })).status).toBe(200);
  });

  it("refuses what is no initialize request and has no session", async () => {
    const server = await start({ sdk });
    expect((await send(server.url, { jsonrpc: "2.0", id: 1, method: "ping" })).status).toBe(400);
    expect(server.sessions).toEqual([]);
  });

  it("primes streams with an id and the retry interval that it is given", async () => {
    const server = await start({ sdk, eventStoreFor: () => new InMemoryEventStore(), retryInterval: 1234 });
    const text = await (await send(server.url, initialize)).text();
    expect(text).toMatch(/^id: \S+\nretry: 1234\ndata: \n\n/);
  });
});
