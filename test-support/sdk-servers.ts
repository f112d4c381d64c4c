// Starts stock MCP servers on the oldest and newest versions of both SDKs.
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { EventStore } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { CountTool } from "./sdk-servers/count-tool.js";
import type { SdkSession } from "./sdk-servers/session.js";
import * as oldestV1 from "./sdk-servers/sdk-1.30.js";
import * as v1 from "./sdk-servers/sdk-1.32.js";
import * as oldestV2 from "./sdk-servers/sdk-2.0.js";
import * as v2 from "./sdk-servers/sdk-2.4.js";

/** The official SDKs' versions that the product is held to: the oldest and the newest of each line. */
export type SdkVersion = "1.30" | "1.32" | "2.0" | "2.4";

const openers = {
  "1.30": oldestV1.openSession,
  "1.32": v1.openSession,
  "2.0": oldestV2.openSession,
  "2.4": v2.openSession,
};

export interface SdkServerOptions {
  readonly sdk: SdkVersion;
  /** The event store of a new session; left out: none, and streams cannot be resumed. */
  readonly eventStoreFor?: (sessionId: string) => EventStore;
  /** Called when a client ends its session by DELETE. */
  readonly onSessionClosed?: (sessionId: string) => Promise<void> | void;
  /** Milliseconds that clients are told to wait before they reconnect. @defaultValue not told */
  readonly retryInterval?: number;
  /** Milliseconds between two keep-alive comments; 0 for none. @defaultValue the SDK's own */
  readonly keepAliveMs?: number;
  /** The port to listen on. @defaultValue 0: any free one */
  readonly port?: number;
}

export interface SdkServer {
  readonly url: string;
  readonly port: number;
  /** The ids of the sessions that are initialized and not ended. */
  readonly sessions: readonly string[];
  /** What the SDK reported to `onerror`, the newest 100. */
  readonly errors: readonly Error[];
  /** How often the tool `count` was called with this key. */
  executions(key: string): number;
  close(): Promise<void>;
}

function refuse(response: ServerResponse, status: number, message: string): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify({ jsonrpc: "2.0", error: { code: -32_001, message }, id: null }));
}

/** Starts a stock SDK server over real HTTP, with one tool, `count`, and one transport for each session. */
export async function startSdkServer(options: SdkServerOptions): Promise<SdkServer> {
  const tool = new CountTool();
  const sessions = new Map<string, SdkSession>();
  const errors: Error[] = [];

  /** A session that comes into being with the initialize request. */
  const open = async (): Promise<SdkSession> => {
    // The store is made for the session's id, so the id must be there before the transport.
    const sessionId = randomUUID();
    const session: SdkSession = await openers[options.sdk]({
      sessionId,
      tool,
      eventStore: options.eventStoreFor?.(sessionId),
      retryInterval: options.retryInterval,
      keepAliveMs: options.keepAliveMs,
      onInitialized: () => void sessions.set(sessionId, session),
      onClosed: async () => {
        sessions.delete(sessionId);
        await options.onSessionClosed?.(sessionId);
      },
      onError: (error) => {
        errors.push(error);
        if (errors.length > 100) errors.shift();
      },
    });
    return session;
  };

  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const header = request.headers["mcp-session-id"];
    if (typeof header === "string") {
      const session = sessions.get(header);
      if (session === undefined) refuse(response, 404, "Session not found");
      else await session.handle(request, response);
      return;
    }
    const session = await open();
    await session.handle(request, response);
    // The SDK has refused what was no initialize request.
    if (response.statusCode >= 400) await session.close();
  };

  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      if (response.headersSent) response.destroy();
      else refuse(response, 500, String(error));
    });
  });
  server.listen(options.port ?? 0, "127.0.0.1");
  await once(server, "listening");
  // A listening TCP server's address is an object.
  const { port } = server.address() as AddressInfo;

  return {
    url: `http://127.0.0.1:${port}/mcp`,
    port,
    get sessions() {
      return [...sessions.keys()];
    },
    errors,
    executions: (key) => tool.executions(key),
    async close() {
      const closed = once(server, "close");
      server.close();
      for (const session of sessions.values()) await session.close();
      sessions.clear();
      server.closeAllConnections();
      await closed;
    },
  };
}
