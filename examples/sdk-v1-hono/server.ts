// Serves MCP with SDK 1.x and Hono, over streams that clients can resume.
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

import { serve } from "@hono/node-server";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { WebStandardStreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js";
import { EventStore } from "@resumable-mcp/server";
import { Hono } from "hono";
import { z } from "zod";

const store = new EventStore({ maxEventsPerStream: 1000 });
const sessions = new Map<string, WebStandardStreamableHTTPServerTransport>();

async function openSession(): Promise<WebStandardStreamableHTTPServerTransport> {
  const id = randomUUID();
  const transport = new WebStandardStreamableHTTPServerTransport({
    sessionIdGenerator: () => id,
    eventStore: store.forSession(id),
    onsessioninitialized: (id) => void sessions.set(id, transport),
    onsessionclosed: async (id) => {
      sessions.delete(id);
      await store.endSession(id);
    },
  });
  await createServer().connect(transport);
  return transport;
}

const app = new Hono();
app.use(async (context, next) => {
  // Else a web page could reach this machine under a host name of its own (DNS rebinding).
  const { hostname } = new URL(context.req.url);
  if (hostname !== "127.0.0.1" && hostname !== "localhost") return context.text("Forbidden", 403);
  return next();
});
app.all("/mcp", async (context) => {
  const id = context.req.header("mcp-session-id");
  const transport = id === undefined ? await openSession() : sessions.get(id);
  return transport?.handleRequest(context.req.raw) ?? context.text("Session not found", 404);
});

const listener = serve(
  { fetch: app.fetch, hostname: "127.0.0.1", port: Number(process.env.PORT ?? 3000) },
  ({ port }) => console.log(`MCP server: http://127.0.0.1:${port}/mcp`),
);

async function stop(): Promise<void> {
  for (const transport of sessions.values()) await transport.close();
  listener.close();
  if ("closeAllConnections" in listener) listener.closeAllConnections();
  await store.close();
}
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void stop());

/** What is served: a tool that takes its time, and says how far it is. */
function createServer(): McpServer {
  const server = new McpServer({ name: "sdk-v1-hono", version: "1.0.0" });
  const inputSchema = z.object({
    to: z.number().int().min(1).max(1000),
    everyMs: z.number().min(0).max(60_000),
  });
  server.registerTool("count", { inputSchema }, async ({ to, everyMs }, call) => {
    const progressToken = call._meta?.progressToken;
    for (let progress = 1; progress <= to; progress += 1) {
      await sleep(everyMs, undefined, { signal: call.signal });
      if (progressToken === undefined) continue;
      const params = { progressToken, progress, total: to };
      await call.sendNotification({ method: "notifications/progress", params });
    }
    return { content: [{ type: "text", text: `counted to ${to}` }] };
  });
  return server;
}
