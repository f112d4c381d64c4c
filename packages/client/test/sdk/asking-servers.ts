import { NodeStreamableHTTPServerTransport } from "@modelcontextprotocol/node";
import { McpServer as McpServerV1 } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { McpServer as McpServerV2 } from "@modelcontextprotocol/server";
import { EventStore } from "@resumable-mcp/server";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

export const QUESTION = "How many?";
const FORM = {
  message: QUESTION,
  requestedSchema: { type: "object" as const, properties: { answer: { type: "string" as const } } },
};
const INFO = { name: "asking", version: "1" };
const DESCRIPTION = { description: "Asks the user, and repeats the answer" };

interface Transport {
  handleRequest(request: IncomingMessage, response: ServerResponse): Promise<void>;
}
type Options = ConstructorParameters<typeof StreamableHTTPServerTransport>[0];
type Repeat = (answer: { content?: Record<string, unknown> | undefined }) => {
  content: { type: "text"; text: string }[];
};

async function openV1(options: Options, repeat: Repeat): Promise<Transport> {
  const server = new McpServerV1(INFO);
  server.registerTool("ask", DESCRIPTION, async ({ requestId }) =>
    repeat(await server.server.elicitInput(FORM, { relatedRequestId: requestId })),
  );
  const transport = new StreamableHTTPServerTransport(options);
  await server.connect(transport);
  return transport;
}

async function openV2(options: Options, repeat: Repeat): Promise<Transport> {
  const server = new McpServerV2(INFO);
  // elicitInput() of 2.x asks on the standalone stream, which may not be open yet.
  server.registerTool("ask", DESCRIPTION, async ({ mcpReq }) =>
    repeat(await mcpReq.send({ method: "elicitation/create", params: FORM })),
  );
  const transport = new NodeStreamableHTTPServerTransport(options);
  await server.connect(transport);
  return transport;
}

const openers = { "1.32": openV1, "2.4": openV2 };

/** Starts a stock SDK server whose tool `ask` asks the user. `answered` counts the answers that reached it. */
export async function startAskingServer(sdk: keyof typeof openers) {
  const store = new EventStore();
  const transports = new Map<string, Transport>();
  const counts = { answered: 0 };
  const repeat: Repeat = ({ content }) => {
    counts.answered += 1;
    return { content: [{ type: "text", text: `It is ${String(content?.answer)}` }] };
  };
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const known = transports.get(String(request.headers["mcp-session-id"]));
    const id = randomUUID();
    const options = { sessionIdGenerator: () => id, eventStore: store.forSession(id) };
    const transport = known ?? (await openers[sdk](options, repeat));
    if (known === undefined) transports.set(id, transport);
    await transport.handleRequest(request, response);
  };
  const http = createServer((request, response) => void handle(request, response));
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  onTestFinished(() => {
    http.close();
    http.closeAllConnections();
  });
  // A listening TCP server's address is an object.
  const { port } = http.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/mcp`, counts };
}
