// Starts the whole demo in one process: the page, served by Vite, and the MCP server.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { fileURLToPath } from "node:url";

import { createServer as createViteServer, type Plugin } from "vite";

import { BreakableNetwork } from "./breakable-network.js";
import { answerControl } from "./control.js";
import { answerCors, isWelcome, ownHosts, ownOrigins } from "./guard.js";
import { listen, stop } from "./listening.js";
import { McpService } from "./mcp-service.js";

const DEMO_FOLDER = fileURLToPath(new URL("..", import.meta.url));

export interface DemoOptions {
  /** The page's port. 0 takes any free one. */
  readonly port: number;
  /**
   * A port of its own for the MCP server, which then is another origin than the page's. 0 takes any free one.
   * @defaultValue none: the MCP server shares the page's port
   */
  readonly mcpPort?: number | undefined;
  /** Where Vite keeps the dependencies that it has prepared for the browser. Not to be shared by two at once. */
  readonly cacheFolder: string;
  /**
   * Whether a changed source file reloads the page.
   * @defaultValue true
   */
  readonly watch?: boolean | undefined;
}

export interface Demo {
  readonly pageUrl: string;
  readonly mcpUrl: string;
  /** Ends every session and connection, and frees the ports. */
  close(): Promise<void>;
}

/**
 * Starts the page and a real MCP server in this process.
 *
 * @throws the system's error, `EADDRINUSE` for a port that is taken.
 */
export async function startDemo({ port, mcpPort, cacheFolder, watch = true }: DemoOptions): Promise<Demo> {
  const network = new BreakableNetwork();
  const mcp = new McpService();
  const pageServer = createServer();
  const servers: Server[] = [];
  let mcpUrl = "/mcp";
  const vite = await createViteServer({
    root: DEMO_FOLDER,
    configFile: false,
    cacheDir: cacheFolder,
    clearScreen: false,
    logLevel: "warn",
    plugins: [tellMcpUrl(() => mcpUrl)],
    server: { middlewareMode: true, hmr: { server: pageServer }, watch: watch ? {} : null },
    // No discovery: a dependency found while the page loads would make Vite reload it in the middle of a call.
    optimizeDeps: { noDiscovery: true, include: ["@modelcontextprotocol/sdk/client/index.js", "zod"] },
  });
  const close = async (): Promise<void> => {
    await mcp.close();
    // Together: a server ends with its last connection, and Vite's WebSocket to the page is one of them.
    await Promise.all([...servers.map(stop), vite.close()]);
  };
  const start = async (server: Server, askedPort: number): Promise<number> => {
    const ownPort = await listen(server, askedPort);
    servers.push(server);
    return ownPort;
  };

  try {
    const pagePort = await start(pageServer, port);
    const pageOrigins = ownOrigins(pagePort);
    const answerMcp = (request: IncomingMessage, response: ServerResponse): void => {
      if (!network.admit(request, response) || answerCors(request, response, pageOrigins)) return;
      mcp.handle(request, response).catch((error: unknown) => {
        console.error("The MCP endpoint failed:", error);
        if (response.headersSent) response.destroy();
        else response.writeHead(500).end();
      });
    };
    serve(pageServer, pagePort, pageOrigins, (request, response) => {
      if (mcpPort === undefined && isUnder("/mcp", request)) answerMcp(request, response);
      else if (isUnder("/control", request)) answerControl(request, response, network, mcp);
      else vite.middlewares(request, response);
    });

    const pageUrl = `http://localhost:${pagePort}/`;
    if (mcpPort === undefined) return { pageUrl, mcpUrl: `${pageUrl}mcp`, close };
    const mcpServer = createServer();
    const ownPort = await start(mcpServer, mcpPort);
    mcpUrl = `http://localhost:${ownPort}/mcp`;
    serve(mcpServer, ownPort, pageOrigins, (request, response) => {
      if (isUnder("/mcp", request)) answerMcp(request, response);
      else response.writeHead(404).end();
    });
    return { pageUrl, mcpUrl, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function serve(
  server: Server,
  port: number,
  origins: ReadonlySet<string>,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): void {
  const hosts = ownHosts(port);
  server.on("request", (request, response) => {
    if (isWelcome(request, hosts, origins)) answer(request, response);
    else
      response
        .writeHead(403, { "Content-Type": "text/plain" })
        .end("Only the demo's own page may call this.");
  });
}

function isUnder(path: string, { url = "/" }: IncomingMessage): boolean {
  return url === path || url.startsWith(`${path}/`) || url.startsWith(`${path}?`);
}

function tellMcpUrl(mcpUrl: () => string): Plugin {
  return {
    name: "tell-mcp-url",
    transformIndexHtml: () => [
      { tag: "meta", attrs: { name: "mcp-url", content: mcpUrl() }, injectTo: "head" as const },
    ],
  };
}
