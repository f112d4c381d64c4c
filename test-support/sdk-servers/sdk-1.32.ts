// Opens a session of a stock server on SDK 1.32, the newest of 1.x.
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { COUNT_TOOL } from "./count-tool.js";
import { transportOptions, type SdkSession, type SessionOptions } from "./session.js";

export async function openSession(options: SessionOptions): Promise<SdkSession> {
  const server = new McpServer({ name: "count", version: "1.0.0" });
  server.registerTool(COUNT_TOOL.name, COUNT_TOOL.config, (call, { _meta, sendNotification, signal }) =>
    options.tool.run(call, _meta?.progressToken, sendNotification, signal),
  );
  server.server.onerror = options.onError;
  const transport = new StreamableHTTPServerTransport(transportOptions(options));
  await server.connect(transport);
  return {
    handle: (request, response) => transport.handleRequest(request, response),
    close: () => server.close(),
  };
}
