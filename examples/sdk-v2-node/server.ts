// Serves MCP with SDK 2.x and Node's own HTTP server, over streams that clients can resume.
import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

import { localhostHostValidation, NodeStreamableHTTPServerTransport } from "@modelcontextprotocol/node";
import { McpServer } from "@modelcontextprotocol/server";
import { EventStore } from "@resumable-mcp/server";
import { z } from "zod";

const store = new EventStore({ maxEventsPerStream: 1000 });
const sessions = new Map<string, NodeStreamableHTTPServerTransport>();

async function openSession(): Promise<NodeStreamableHTTPServerTransport> {
  const id = randomUUID();
  const transport = new NodeStreamableHTTPServerTransport({
    sessionIdGenerator: () => id,
    eventStore: store.forSession(id),
    onsessioninitialized: (id) => void sessions.set(id, transport),
    onsessionclosed: async (id) => {
      sessions.delete(id);
      await store.endSession(id);
    },
  });
  await createMcpServer().connect(transport);
  return transport;
}

const isForThisHost = localhostHostValidation();

async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (!isForThisHost(request, response)) return;
  const id = request.headers["mcp-session-id"];
  const transport = id === undefined ? await openSession() : sessions.get(String(id));
  if (transport === undefined) response.writeHead(404).end("Session not found");
  else await transport.handleRequest(request, response);
}

const listener = createServer((request, response) => {
  handle(request, response).catch((error: unknown) => {
    console.error("The MCP endpoint failed:", error);
    response.destroy();
  });
});
listener.listen(Number(process.env.PORT ?? 3000), "127.0.0.1", () => {
  // The address of a server that listens on TCP is an object.
  const { port } = listener.address() as AddressInfo;
  console.log(`MCP server: http://127.0.0.1:${port}/mcp`);
});

async function stop(): Promise<void> {
  for (const transport of sessions.values()) await transport.close();
  listener.close();
  listener.closeAllConnections();
  await store.close();
}
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void stop());

/** What is served: a tool that takes its time, and says how far it is. */
function createMcpServer(): McpServer {
  const server = new McpServer({ name: "sdk-v2-node", version: "1.0.0" });
  const inputSchema = z.object({
    to: z.number().int().min(1).max(1000),
    everyMs: z.number().min(0).max(60_000),
  });
  server.registerTool("count", { inputSchema }, async ({ to, everyMs }, { mcpReq }) => {
    const progressToken = mcpReq._meta?.progressToken;
    for (let progress = 1; progress <= to; progress += 1) {
      await sleep(everyMs, undefined, { signal: mcpReq.signal });
      if (progressToken === undefined) continue;
      const params = { progressToken, progress, total: to };
      await mcpReq.notify({ method: "notifications/progress", params });
    }
    return { content: [{ type: "text", text: `counted to ${to}` }] };
  });
  return server;
}
