import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";

import type { Page } from "@playwright/test";

import { McpService } from "../demo/server/mcp-service.js";

/** What one call of the page came to so far. */
export interface CallState {
  /** Every message number, as it arrived. */
  readonly arrivals: readonly number[];
  /** The result's text, or the error's message. */
  readonly outcome: string | undefined;
}

/** What the page's script offers to the test. */
interface CallsPage {
  connect(maxConnections: number | undefined): Promise<void>;
  /** Starts calls, all at once. */
  start(count: number, messages: number, seconds: number): void;
  /** Sends a ping, and says how many calls had ended when it was answered. */
  ping(): Promise<number>;
  readonly calls: readonly CallState[];
  readonly errors: readonly string[];
}

declare global {
  var callsPage: CallsPage;
}

const PAGE_SCRIPT = `
  import { memoryStore, ResumableTransport } from "/dist/index.js";
  const calls = [];
  const errors = [];
  let transport;
  let id = 0;
  const answers = new Map();
  const request = (method, params = {}) => new Promise((resolve, reject) => {
    answers.set(++id, resolve);
    transport.send({ jsonrpc: "2.0", id, method, params }).catch(reject);
  });
  const receive = (message) => {
    if (message.method === "notifications/progress") calls[message.params.progressToken].arrivals.push(message.params.progress);
    else if (message.method === undefined) answers.get(message.id)?.(message);
  };
  globalThis.callsPage = {
    calls,
    errors,
    async connect(maxConnections) {
      transport = new ResumableTransport(new URL("/mcp", location.href), { store: memoryStore(), maxConnections });
      transport.onmessage = receive;
      transport.onerror = (error) => errors.push(String(error));
      await transport.start();
      const clientInfo = { name: "calls-page", version: "0.0.0" };
      await request("initialize", { protocolVersion: "2025-11-25", capabilities: {}, clientInfo });
      await transport.send({ jsonrpc: "2.0", method: "notifications/initialized" });
    },
    start(count, messages, seconds) {
      for (let n = 0; n < count; n++) {
        const call = { arrivals: [], outcome: undefined };
        const progressToken = calls.push(call) - 1;
        request("tools/call", { name: "count", arguments: { messages, seconds }, _meta: { progressToken } }).then(
          ({ result, error }) => (call.outcome = result?.content[0].text ?? JSON.stringify(error)),
          (error) => (call.outcome = String(error)),
        );
      }
    },
    async ping() {
      await request("ping");
      return calls.filter(({ outcome }) => outcome !== undefined).length;
    },
  };
`;

/** Modules that the built client imports by name. */
const MODULES: Readonly<Record<string, string>> = {
  "/eventsource-parser.js": fileURLToPath(import.meta.resolve("eventsource-parser")),
};

async function script(path: string): Promise<string> {
  if (path === "/page.js") return PAGE_SCRIPT;
  const file = MODULES[path] ?? fileURLToPath(new URL(`../packages/client${path}`, import.meta.url));
  return (await readFile(file, "utf8")).replaceAll('"eventsource-parser"', '"/eventsource-parser.js"');
}

export interface CallsServer {
  readonly url: string;
  /** How often the tool was run. */
  readonly executions: () => number;
  close(): Promise<void>;
}

/** Serves a page that makes calls, and the MCP server that they go to, from one origin over HTTP/1.1. */
export async function serveCallsPage(): Promise<CallsServer> {
  const mcp = new McpService();
  const server = createServer((request, response) => {
    const path = request.url ?? "/";
    const answer = async (): Promise<void> => {
      if (path === "/mcp") return mcp.handle(request, response);
      const isScript = path.endsWith(".js");
      response.setHeader("Content-Type", isScript ? "text/javascript" : "text/html");
      response.end(
        isScript ? await script(path) : `<!doctype html><script type="module" src="/page.js"></script>`,
      );
    };
    answer().catch((error: unknown) => response.writeHead(500).end(String(error)));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The server has no port.");
  return {
    url: `http://127.0.0.1:${address.port}/`,
    executions: () => mcp.executions,
    async close() {
      await mcp.close();
      await new Promise<void>((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      });
    },
  };
}

/** Opens the page and connects its client. */
export async function connect(page: Page, url: string, maxConnections?: number): Promise<void> {
  await page.goto(url);
  await page.waitForFunction(() => "callsPage" in globalThis);
  await page.evaluate((max) => callsPage.connect(max), maxConnections);
}

export function callsOf(page: Page): Promise<readonly CallState[]> {
  return page.evaluate(() => callsPage.calls);
}
