// Makes the demo's MCP server, with its one tool, which counts and reports each number as progress.
import { setTimeout as delay } from "node:timers/promises";

import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { z } from "zod";

/** As many as the store keeps of one stream, less the priming event and the result. */
const MAX_MESSAGES = 998;
const MAX_SECONDS = 600;

/**
 * An MCP server with one long tool: it counts aloud, one progress message for each number, then returns.
 *
 * @param onExecution called whenever the tool begins to run.
 */
export function createCountingServer(onExecution: () => void): McpServer {
  const server = new McpServer({ name: "resumable-mcp-demo", version: "0.0.0" });
  server.registerTool(
    "count",
    {
      description: "Counts aloud: one progress message for each number, spread evenly over the time given.",
      inputSchema: {
        messages: z.number().int().min(1).max(MAX_MESSAGES),
        seconds: z.number().min(0).max(MAX_SECONDS),
      },
      annotations: { readOnlyHint: true, idempotentHint: true },
    },
    async ({ messages, seconds }, { signal, sendNotification, _meta }) => {
      onExecution();
      const progressToken = _meta?.progressToken;
      const startedAt = performance.now();
      for (let number = 1; number <= messages; number++) {
        const dueAt = startedAt + (number / messages) * seconds * 1000;
        await delay(Math.max(0, dueAt - performance.now()), undefined, { signal });
        if (progressToken === undefined) continue;
        await sendNotification({
          method: "notifications/progress",
          params: { progressToken, progress: number, total: messages, message: `${number} of ${messages}` },
        });
      }
      return { content: [{ type: "text", text: `Counted to ${messages}.` }] };
    },
  );
  return server;
}
