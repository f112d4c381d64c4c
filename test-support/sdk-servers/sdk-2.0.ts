// Opens a session of a stock server on SDK 2.0, the oldest of 2.x.
import { getRequestListener } from "@hono/node-server";
import { McpServer, WebStandardStreamableHTTPServerTransport } from "sdk-oldest-v2-server";
import { COUNT_TOOL } from "./count-tool.js";
import { transportOptions, type SdkSession, type SessionOptions } from "./session.js";

/** On the web-standard transport: the SDK's package for Node has a peer, which would be the newest version. */
export async function openSession(options: SessionOptions): Promise<SdkSession> {
  const server = new McpServer({ name: "count", version: "1.0.0" });
  server.registerTool(COUNT_TOOL.name, COUNT_TOOL.config, (call, { mcpReq }) =>
    options.tool.run(call, mcpReq._meta?.progressToken, mcpReq.notify, mcpReq.signal),
  );
  server.server.onerror = options.onError;
  const transport = new WebStandardStreamableHTTPServerTransport(transportOptions(options));
  await server.connect(transport);
  // Without it the listener replaces the process's own Request and Response.
  const listen = getRequestListener((request) => transport.handleRequest(request), {
    overrideGlobalObjects: false,
  });
  return { handle: (request, response) => listen(request, response), close: () => server.close() };
}
