import { Client as ClientV2 } from "@modelcontextprotocol/client";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { memoryStore, NO_TIMEOUT, ResumableTransport } from "../../src/index.js";
import {
  isRecord,
  isRequest,
  type JsonRpcMessage,
  type JsonRpcRequest,
  parseMessages,
} from "../../src/json-rpc.js";
import { event, sse } from "../support/msw-server.js";

const OUTAGE_MS = 10 * 60_000;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function tokenOf({ params }: JsonRpcRequest): unknown {
  const meta = params?._meta;
  return isRecord(meta) ? meta.progressToken : undefined;
}

/** A server that is out of reach for ten minutes, from the moment at which a call has had its first message. */
function serverWithOutage() {
  const sent: JsonRpcMessage[] = [];
  let call: { readonly id: unknown; readonly token: unknown } | undefined;
  let outageEndsAt = 0;
  const progress = (n: number): string =>
    event({
      id: `event-${n}`,
      data: {
        jsonrpc: "2.0",
        method: "notifications/progress",
        params: { progressToken: call?.token, progress: n, total: 3 },
      },
    });
  const fetch: typeof globalThis.fetch = async (_url, init) => {
    await Promise.resolve();
    if (Date.now() < outageEndsAt) throw new TypeError("fetch failed");
    if (init?.method !== "POST") {
      if (new Headers(init?.headers).get("Last-Event-ID") !== "event-1")
        return new Response(null, { status: 405 });
      const result = { jsonrpc: "2.0", id: call?.id, result: { content: [{ type: "text", text: "done" }] } };
      return sse([progress(2), progress(3), event({ id: "event-4", data: result })]);
    }
    const [message] = parseMessages(typeof init.body === "string" ? init.body : "") ?? [];
    if (message === undefined) return new Response(null, { status: 400 });
    sent.push(message);
    if (!isRequest(message)) return new Response(null, { status: 202 });
    if (message.method === "initialize") {
      const result = {
        protocolVersion: "2025-11-25",
        capabilities: { tools: {} },
        serverInfo: { name: "far away", version: "1" },
      };
      return Response.json(
        { jsonrpc: "2.0", id: message.id, result },
        { headers: { "Mcp-Session-Id": "session" } },
      );
    }
    call = { id: message.id, token: tokenOf(message) };
    outageEndsAt = Date.now() + OUTAGE_MS;
    return sse([progress(1)], "cut");
  };
  return { fetch, sent };
}

type Call = (options: {
  readonly timeout?: number;
  readonly onprogress: (progress: { readonly progress: number }) => void;
}) => Promise<unknown>;

const INFO = { name: "app", version: "1" };

const CLIENTS: Readonly<Record<string, (transport: ResumableTransport) => Promise<Call>>> = {
  "1.x": async (transport) => {
    const client = new ClientV1(INFO);
    await client.connect(transport);
    return (options) => client.callTool({ name: "slow" }, undefined, options);
  },
  "2.x": async (transport) => {
    const client = new ClientV2(INFO);
    await client.connect(transport);
    return (options) => client.callTool({ name: "slow" }, options);
  },
};

describe.each(Object.keys(CLIENTS))("with the client of SDK %s, in an outage of ten minutes", (sdk) => {
  async function start(timeout?: number) {
    const server = serverWithOutage();
    const transport = new ResumableTransport("https://mcp.example/mcp", {
      store: memoryStore(),
      fetch: server.fetch,
    });
    onTestFinished(() => transport.close());
    const connecting = CLIENTS[sdk]?.(transport);
    await vi.advanceTimersByTimeAsync(10);
    const call = await connecting;
    if (call === undefined) throw new Error("There is no such client.");
    const seen: number[] = [];
    const startedAt = Date.now();
    const ending = call({
      onprogress: ({ progress }) => void seen.push(progress),
      ...(timeout === undefined ? {} : { timeout }),
    }).then(
      (result) => ({ result, error: undefined, afterMs: Date.now() - startedAt }),
      (error: unknown) => ({ result: undefined, error, afterMs: Date.now() - startedAt }),
    );
    return { ...server, seen, ending };
  }

  test("a call with NO_TIMEOUT goes on, and has every message once", async () => {
    const { ending, seen } = await start(NO_TIMEOUT);
    await vi.advanceTimersByTimeAsync(OUTAGE_MS + 60_000);
    const { afterMs, error, result } = await ending;
    expect(error).toBeUndefined();
    expect(result).toMatchObject({ content: [{ type: "text", text: "done" }] });
    expect(seen).toEqual([1, 2, 3]);
    expect(afterMs).toBeGreaterThanOrEqual(OUTAGE_MS);
    // The longest backoff is 30 s.
    expect(afterMs).toBeLessThanOrEqual(OUTAGE_MS + 31_000);
  });

  test("a call without it is given up by the SDK after 60 s, and the server is told when it is back", async () => {
    const { ending, sent } = await start();
    await vi.advanceTimersByTimeAsync(OUTAGE_MS + 60_000);
    const { afterMs, error } = await ending;
    expect(error).toMatchObject({ message: expect.stringMatching(/timed out/i) as string });
    expect(afterMs).toBe(60_000);
    const call = sent.find((message) => "method" in message && message.method === "tools/call");
    const cancelled = sent.find(
      (message) => "method" in message && message.method === "notifications/cancelled",
    );
    expect(cancelled).toMatchObject({ params: { requestId: call && "id" in call ? call.id : undefined } });
  });
});
