// Serves MCP, and lets Prometheus read how its streams fare.
import { randomUUID } from "node:crypto";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

import { createMcpExpressApp } from "@modelcontextprotocol/sdk/server/express.js";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { EventStore } from "@resumable-mcp/server";
import { Counter, Histogram, register } from "prom-client";
import { z } from "zod";

const labelNames = ["type"];
const operations = new Counter({ name: "mcp_store_total", help: "What the store did", labelNames });
const seconds = new Histogram({ name: "mcp_store_seconds", help: "How long that took", labelNames });
const missed = new Counter({ name: "mcp_store_missed_total", help: "Messages that resumed clients missed" });

const store = new EventStore({
  observe: (observation) => {
    const { type } = observation;
    operations.inc({ type });
    if (type === "gap") missed.inc(observation.missed);
    else seconds.observe({ type }, observation.durationMs / 1000);
  },
});
const sessions = new Map<string, StreamableHTTPServerTransport>();

async function openSession(): Promise<StreamableHTTPServerTransport> {
  const id = randomUUID();
  const transport = new StreamableHTTPServerTransport({
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

const app = createMcpExpressApp();
app.all("/mcp", async (request, response) => {
  const id = request.headers["mcp-session-id"];
  const transport = id === undefined ? await openSession() : sessions.get(String(id));
  if (transport === undefined) response.status(404).send("Session not found");
  else await transport.handleRequest(request, response, request.body);
});
app.get("/metrics", async (_request, response) => {
  response.type(register.contentType).send(await register.metrics());
});

const listener = app.listen(Number(process.env.PORT ?? 3000), "127.0.0.1", () => {
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
function createServer(): McpServer {
  const server = new McpServer({ name: "metrics", version: "1.0.0" });
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
