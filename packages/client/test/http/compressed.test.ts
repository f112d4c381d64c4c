import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { isRequest, parseMessages } from "../../src/json-rpc.js";
import { event, INITIALIZE_RESULT, note, resultOf } from "../support/msw-server.js";
import { openTransport } from "../support/open-transport.js";

/** Compresses a stream that ends, or one whose end never comes. */
const COMPRESSORS = {
  gzip: (text: string, isWhole: boolean) =>
    gzipSync(text, isWhole ? {} : { finishFlush: constants.Z_SYNC_FLUSH }),
  br: (text: string, isWhole: boolean) =>
    brotliCompressSync(text, isWhole ? {} : { finishFlush: constants.BROTLI_OPERATION_FLUSH }),
};

/** A server on a real socket that compresses its streams, and breaks each call's first one after two messages. */
async function startServer(encoding: keyof typeof COMPRESSORS): Promise<string> {
  let call: ReturnType<typeof parseOne>;
  const respond = (response: ServerResponse, events: readonly string[], end: "close" | "cut"): void => {
    response.writeHead(200, { "Content-Type": "text/event-stream", "Content-Encoding": encoding });
    const body = COMPRESSORS[encoding](events.join(""), end === "close");
    if (end === "close") response.end(body);
    // With everything sent, in the middle of the chunked body: a reset could take the first event id with it.
    else response.write(body, () => response.socket?.destroySoon());
  };
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const message = parseOne(await textOf(request));
    if (request.method === "GET" && request.headers["last-event-id"] === undefined)
      response.writeHead(405).end();
    else if (request.method === "GET") {
      const rest = [1, 2, 3].filter((n) => n > Number(request.headers["last-event-id"]));
      const events = rest.map((n) => event({ id: String(n), data: note(n) }));
      respond(response, [...events, event({ id: "4", data: resultOf({ message: call }) })], "close");
    } else if (message === undefined || !isRequest(message)) response.writeHead(202).end();
    else if (message.method === "initialize") {
      response.writeHead(200, { "Content-Type": "application/json" });
      response.end(JSON.stringify({ jsonrpc: "2.0", id: message.id, result: INITIALIZE_RESULT }));
    } else {
      call = message;
      respond(response, [event({ id: "1", data: note(1) }), event({ id: "2", data: note(2) })], "cut");
    }
  };
  const server = createServer((request, response) => void answer(request, response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("No port");
  return `http://127.0.0.1:${address.port}/mcp`;
}

const parseOne = (text: string) => (text === "" ? undefined : parseMessages(text)?.[0]);

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

describe("a stream that is compressed", () => {
  it.each(["gzip", "br"] as const)(
    "with %s and breaks in the middle is resumed, and nothing is lost",
    async (encoding) => {
      const { call, notes, told } = await openTransport({}, await startServer(encoding));
      await call("tools/call", { name: "count" });
      await vi.waitFor(() => expect(notes()).toEqual([1, 2, 3]));
      expect(told("resumed")).toHaveLength(1);
    },
  );
});
