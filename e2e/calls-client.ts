import { McpService } from "../demo/server/mcp-service.js";
import { type PageServer, type PageServerOptions, servePages } from "./page-server.js";

/** What one call came to so far. */
export interface CallState {
  /** Every message number, as it arrived. */
  readonly arrivals: readonly number[];
  /** The result's text, or the error's message. */
  readonly outcome: string | undefined;
}

/** A client of the counting tool, as it runs in the browser. */
export interface CallsClient {
  connect(maxConnections?: number): Promise<void>;
  /** Starts calls, all at once. */
  start(count: number, messages: number, seconds: number): void;
  /** Goes on with the calls that an earlier client left. */
  goOn(): void;
  close(): Promise<void>;
  /** Sends a ping, and says how many calls had ended when it was answered. */
  ping(): Promise<number>;
  readonly calls: readonly CallState[];
  readonly errors: readonly string[];
}

/** `/calls-client.js` */
const CLIENT = `
  import { ResumableTransport } from "/dist/index.js";
  export function createCallsClient(store, onArrival = () => undefined) {
    const calls = [];
    const errors = [];
    let transport;
    let id = 0;
    const answers = new Map();
    const request = (method, params = {}) => new Promise((resolve, reject) => {
      answers.set(++id, resolve);
      transport.send({ jsonrpc: "2.0", id, method, params }).catch(reject);
    });
    const open = () => calls.push({ arrivals: [], outcome: undefined }) - 1;
    const arrive = (index, progress) => {
      calls[index].arrivals.push(progress);
      onArrival(progress);
    };
    const end = (index, outcome) => (calls[index].outcome = outcome);
    const textOf = (result) => result?.content[0].text;
    return {
      calls,
      errors,
      async connect(maxConnections) {
        transport = new ResumableTransport(new URL("/mcp", location.href), { store, maxConnections });
        transport.onmessage = (message) => {
          if (message.method === "notifications/progress") arrive(message.params.progressToken, message.params.progress);
          else if (message.method === undefined) answers.get(message.id)?.(message);
        };
        transport.onerror = (error) => errors.push(String(error));
        await transport.start();
        const clientInfo = { name: "calls-page", version: "0.0.0" };
        await request("initialize", { protocolVersion: "2025-11-25", capabilities: {}, clientInfo });
        await transport.send({ jsonrpc: "2.0", method: "notifications/initialized" });
      },
      start(count, messages, seconds) {
        for (let n = 0; n < count; n++) {
          const progressToken = open();
          request("tools/call", { name: "count", arguments: { messages, seconds }, _meta: { progressToken } }).then(
            ({ result, error }) => end(progressToken, textOf(result) ?? JSON.stringify(error)),
            (error) => end(progressToken, String(error)),
          );
        }
      },
      goOn() {
        for (const call of transport.interrupted()) {
          const index = open();
          call.onprogress = ({ progress }) => arrive(index, progress);
          call.result.then((result) => end(index, textOf(result)), (error) => end(index, String(error)));
        }
      },
      close: () => transport.close(),
      async ping() {
        await request("ping");
        return calls.filter(({ outcome }) => outcome !== undefined).length;
      },
    };
  }
`;

export interface CallsServer extends PageServer {
  /** How often the tool was run. */
  readonly executions: () => number;
  /** How often a stream was asked for from a cursor. */
  readonly resumes: () => number;
}

/** Serves pages with clients of the counting tool, and the MCP server that they call. */
export async function serveCalls(scripts: PageServerOptions["scripts"]): Promise<CallsServer> {
  const service = new McpService();
  let resumes = 0;
  const server = await servePages({
    scripts: { "/calls-client.js": CLIENT, ...scripts },
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
