// Opens a session of a stock server on SDK 2.4, the newest of 2.x.
import { NodeStreamableHTTPServerTransport } from "@modelcontextprotocol/node";
import { McpServer } from "@modelcontextprotocol/server";
import { COUNT_TOOL } from "./count-tool.js";
import { transportOptions, type SdkSession, type SessionOptions } from "./session.js";

export async function openSession(options: SessionOptions): Promise<SdkSession> {
  const server = new McpServer({ name: "count", version: "1.0.0" });
  server.registerTool(COUNT_TOOL.name, COUNT_TOOL.config, (call, { mcpReq }) =>
    options.tool.run(call, mcpReq._meta?.progressToken, mcpReq.notify, mcpReq.signal),
  );
  server.server.onerror = options.onError;
  const transport = new NodeStreamableHTTPServerTransport(transportOptions(options));
  await server.connect(transport);
  return {
    handle: (request, response) => transport.handleRequest(request, response),
    close: () => server.close(),
  };
}
