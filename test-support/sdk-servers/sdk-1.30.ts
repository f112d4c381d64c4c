// Opens a session of a stock server on SDK 1.30, the oldest of 1.x.
import { McpServer } from "sdk-oldest-v1/server/mcp.js";
import type { Transport } from "sdk-oldest-v1/shared/transport.js";
import { StreamableHTTPServerTransport } from "sdk-oldest-v1/server/streamableHttp.js";
import { COUNT_TOOL } from "./count-tool.js";
import { transportOptions, type SdkSession, type SessionOptions } from "./session.js";

export async function openSession(options: SessionOptions): Promise<SdkSession> {
  const server = new McpServer({ name: "count", version: "1.0.0" });
  server.registerTool(COUNT_TOOL.name, COUNT_TOOL.config, (call, { _meta, sendNotification, signal }) =>
    options.tool.run(call, _meta?.progressToken, sendNotification, signal),
  );
  server.server.onerror = options.onError;
  const transport = new StreamableHTTPServerTransport(transportOptions(options));
  // The class implements Transport; with exactOptionalPropertyTypes its accessors' `undefined` hides that.
  await server.connect(transport as Transport);
  return {
    handle: (request, response) => transport.handleRequest(request, response),
    close: () => server.close(),
  };
}
