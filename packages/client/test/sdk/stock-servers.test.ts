import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { EventStore } from "@resumable-mcp/server";
import { faultProxy } from "@resumable-mcp/testing/fault-proxy";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { type SdkVersion, startSdkServer } from "../../../../test-support/sdk-servers.js";
import { memoryStore, ResumableTransport, type StateStore } from "../../src/index.js";
import { failureOf } from "./clients.js";
import { SDK_CLIENTS } from "./sdk-clients.js";
import { eventually } from "./eventually.js";

type ClientName = keyof typeof SDK_CLIENTS;

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i);

/** A stock server with our event store, behind a proxy that breaks real connections. */
async function start(sdk: SdkVersion) {
  const store = new EventStore({ maxEventsPerStream: 1000 });
  const server = await startSdkServer({ sdk, eventStoreFor: (id) => store.forSession(id) });
  onTestFinished(() => server.close());
  const proxy = await faultProxy({ target: server.url, seed: 1 });
  onTestFinished(() => proxy.close());
  return { server, proxy };
}

/** One life of an app, and the HTTP requests that it makes. */
async function startLife(name: ClientName, url: string, store: StateStore) {
  const requests: string[] = [];
  const transport = new ResumableTransport(url, {
    store,
    fetch: (input, init) => {
      requests.push(`${init?.method} ${typeof init?.body === "string" ? init.body : ""}`);
      return fetch(input, init);
    },
  });
  onTestFinished(() => transport.close());
  const client = await SDK_CLIENTS[name](transport);
  return { client, transport, requests, connected: requests.length };
}

describe.each(["1.30", "1.32", "2.0", "2.4"] as const)("with a stock server of SDK %s", (sdk) => {
  describe.each(Object.keys(SDK_CLIENTS) as ClientName[])("and the client of SDK %s", (name) => {
    test("a call comes through killed connections: each message once, in order", async () => {
      const { server, proxy } = await start(sdk);
      const { client } = await startLife(name, proxy.url, memoryStore());
      expect(await client.listTools()).toEqual(["count"]);
      const seen: number[] = [];
      let kills = 0;
      const text = await client.count({ key: "k", messages: 40, intervalMs: 5 }, (progress) => {
        seen.push(progress);
        if (progress % 10 === 5) kills += proxy.killAll();
      });
      expect(text).toBe("k counted to 40");
      expect(seen).toEqual(range(1, 40));
      expect(kills).toBeGreaterThanOrEqual(4);
      expect(server.executions("k")).toBe(1);
      expect(client.errors).toEqual([]);
    });

    test("a reload connects without a request, in the same session, and the call goes on to its end", async () => {
      const { server, proxy } = await start(sdk);
      const store = memoryStore();
      const first = await startLife(name, proxy.url, store);
      expect(first.connected).toBeGreaterThan(0);
      const { sessionId } = first.transport;
      const capabilities = first.client.capabilities();
      expect(capabilities).toMatchObject({ tools: {} });
      const seen: number[] = [];
      const call = { key: "k", messages: 40, intervalMs: 10 };
      const lost = first.client.count(call, (progress) => seen.push(progress));
      lost.catch(() => undefined);
      await eventually(() => expect(seen.length).toBeGreaterThan(5));
      await first.client.close();

      const second = await startLife(name, proxy.url, store);
      expect(second.connected).toBe(0);
      expect(second.client.capabilities()).toEqual(capabilities);
      expect(second.transport.sessionId).toBe(sessionId);
      const [interrupted] = second.transport.interrupted();
      expect(interrupted).toMatchObject({ method: "tools/call", params: { name: "count", arguments: call } });
      interrupted!.onprogress = ({ progress }) => seen.push(Number(progress));
      expect(await interrupted!.result).toMatchObject({ content: [{ text: "k counted to 40" }] });
      expect(seen).toEqual(range(1, 40));
      expect(server.executions("k")).toBe(1);
      expect(server.sessions).toHaveLength(1);
      expect(second.client.errors).toEqual([]);
      expect(await second.client.listTools()).toEqual(["count"]);
    });
  });

  test("a server that was started again without its sessions is a lost session, and the next call works", async () => {
    const { server } = await start(sdk);
    // The typed error comes through the client of each SDK.
    const { client, transport } = await startLife(sdk, server.url, memoryStore());
    const seen: number[] = [];
    const lost = client.count({ key: "k", messages: 1000, intervalMs: 5 }, (progress) => seen.push(progress));
    lost.catch(() => undefined);
    await eventually(() => expect(seen.length).toBeGreaterThan(0));
    await server.close();
    const again = await startSdkServer({ sdk, port: server.port });
    onTestFinished(() => again.close());
    expect(await failureOf(lost)).toMatchObject({ code: "session-lost", maybeExecuted: true });
    expect(await client.count({ key: "k2", messages: 1, intervalMs: 0 }, () => undefined)).toBe(
      "k2 counted to 1",
    );
    expect(again.sessions).toEqual([transport.sessionId]);
  });

  test("without an event store it works as with a plain transport, without a word", async () => {
    const server = await startSdkServer({ sdk });
    onTestFinished(() => server.close());
    const { client, transport } = await startLife("2.4", server.url, memoryStore());
    const seen: number[] = [];
    await client.count({ key: "k", messages: 5, intervalMs: 1 }, (progress) => seen.push(progress));
    expect(seen).toEqual([1, 2, 3, 4, 5]);
    await transport.terminateSession();
    expect(server.sessions).toEqual([]);
    expect(client.errors).toEqual([]);
  });
});

describe("a client of SDK 2.4 in auto mode", () => {
  const discovers = (requests: readonly string[]) =>
    requests.filter((text) => text.includes("server/discover"));

  test("asks server/discover on the wire, falls back, and asks nothing after a reload", async () => {
    const { proxy } = await start("2.4");
    const store = memoryStore();
    const first = await startLife("2.4 in auto mode", proxy.url, store);
    expect(discovers(first.requests)).toHaveLength(1);
    await first.client.close();
    const second = await startLife("2.4 in auto mode", proxy.url, store);
    expect(second.requests).toEqual([]);
    expect(second.transport.interrupted()).toEqual([]);
  });

  test("falls back also where the server would speak the revision that has no Last-Event-ID", async () => {
    const handler = toNodeHandler(
      createMcpHandler(() => {
        const server = new McpServer({ name: "both", version: "1" });
        server.registerTool("hello", {}, () => ({ content: [{ type: "text", text: "hello" }] }));
        return server;
      }),
    );
    const http = createServer((request, response) => {
      // Node's own request; under exactOptionalPropertyTypes its optional fields' `undefined` hides that.
      void handler(request as Parameters<typeof handler>[0], response);
    });
    http.listen(0, "127.0.0.1");
    await once(http, "listening");
    onTestFinished(() => {
      http.close();
      http.closeAllConnections();
    });
    // A listening TCP server's address is an object.
    const { port } = http.address() as AddressInfo;
    const { client, requests } = await startLife(
      "2.4 in auto mode",
      `http://127.0.0.1:${port}/`,
      memoryStore(),
    );
    expect(discovers(requests)).toHaveLength(1);
    expect(await client.listTools()).toEqual(["hello"]);
  });

  test("a server that refuses the credentials is not taken for one that is too old", async () => {
    const http = createServer((_, response) => void response.writeHead(401).end());
    http.listen(0, "127.0.0.1");
    await once(http, "listening");
    onTestFinished(() => {
      http.close();
      http.closeAllConnections();
    });
    const { port } = http.address() as AddressInfo;
    const connecting = startLife("2.4 in auto mode", `http://127.0.0.1:${port}/`, memoryStore());
    await expect(connecting).rejects.toMatchObject({ cause: { code: "unauthorized" } });
  });
});
