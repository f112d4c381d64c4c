// Serves the counting tool over the SDK's HTTP transport with our event store, in sessions.
import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";

import type { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { EventStore } from "@resumable-mcp/server";

import { createCountingServer } from "./counting-server.js";

const EVENTS_PER_STREAM = 1000;

/** Beyond so many the session that was idle longest is closed: pages come and go without saying goodbye. */
const MAX_SESSIONS = 100;

interface Session {
  readonly server: McpServer;
  readonly transport: StreamableHTTPServerTransport;
}

/** A stock MCP server of the official SDK, one session for each client, whose streams outlive their connections. */
export class McpService {
  readonly #store = new EventStore({ maxEventsPerStream: EVENTS_PER_STREAM });
  /** In the order of last use. */
  readonly #sessions = new Map<string, Session>();

  #executions = 0;

  /** How often the tool was run, by all clients together. */
  get executions(): number {
    return this.#executions;
  }

  /** Answers one HTTP request of the MCP endpoint. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const sessionId = request.headers["mcp-session-id"];
    if (sessionId === undefined) {
      await this.#open(request, response);
      return;
    }
    const session = typeof sessionId === "string" ? this.#touch(sessionId) : undefined;
    if (session === undefined) {
      const error = { code: -32001, message: "Session not found: initialize a new one" };
      response.writeHead(404, { "Content-Type": "application/json" });
      response.end(JSON.stringify({ jsonrpc: "2.0", error, id: null }));
      return;
    }
    await session.transport.handleRequest(request, response);
  }

  /** Closes every session and with it every open stream. */
  async close(): Promise<void> {
    await Promise.all([...this.#sessions.keys()].map((id) => this.#end(id)));
  }

  async #open(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const id = randomUUID();
    const server = createCountingServer(() => this.#executions++);
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: () => id,
      eventStore: this.#store.forSession(id),
      onsessioninitialized: async () => {
        this.#sessions.set(id, { server, transport });
        const [idlest] = this.#sessions.keys();
        if (this.#sessions.size > MAX_SESSIONS && idlest !== undefined) await this.#end(idlest);
      },
      onsessionclosed: () => this.#end(id),
    });
    await server.connect(transport);
    await transport.handleRequest(request, response);
    // Anything but an initialize request was refused by the transport: nobody will ever use it.
    if (!this.#sessions.has(id)) await server.close();
  }

  #touch(id: string): Session | undefined {
    const session = this.#sessions.get(id);
    if (session !== undefined) {
      this.#sessions.delete(id);
      this.#sessions.set(id, session);
    }
    return session;
  }

  async #end(id: string): Promise<void> {
    const session = this.#sessions.get(id);
    this.#sessions.delete(id);
    await session?.server.close();
    await this.#store.endSession(id);
  }
}
