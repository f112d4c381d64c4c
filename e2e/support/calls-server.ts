// Serves pages with clients of the counting tool, and the MCP server that they call.
import { McpService } from "../../demo/server/mcp-service.js";
import { type PageServer, type PageServerOptions, servePages } from "./page-server.js";

export interface CallsServer extends PageServer {
  /** How often the tool was run. */
  readonly executions: () => number;
  /** How often a stream was asked for from a cursor. */
  readonly resumes: () => number;
}

export async function serveCalls(programs: PageServerOptions["programs"]): Promise<CallsServer> {
  const service = new McpService();
  let resumes = 0;
  const server = await servePages({
    programs,
    mcp: (request, response) => {
      if (request.headers["last-event-id"] !== undefined) resumes += 1;
      return service.handle(request, response);
    },
  });
  return {
    ...server,
    executions: () => service.executions,
    resumes: () => resumes,
    async close() {
      await service.close();
      await server.close();
    },
  };
}
