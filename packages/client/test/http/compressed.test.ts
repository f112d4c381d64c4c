import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { constants, createBrotliCompress, createGzip } from "node:zlib";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { isRequest, parseMessages } from "../../src/json-rpc.js";
import { event, INITIALIZE_RESULT, note, resultOf } from "../support/msw-server.js";
import { openTransport } from "../support/open-transport.js";

const COMPRESSORS = {
  gzip: () => createGzip({ flush: constants.Z_SYNC_FLUSH }),
  br: () => createBrotliCompress({ flush: constants.BROTLI_OPERATION_FLUSH }),
};

/** A server on a real socket that compresses its streams, and leaves each call's first one open until it is cut. */
async function startServer(encoding: keyof typeof COMPRESSORS): Promise<{ url: string; cut: () => void }> {
  let call: ReturnType<typeof parseOne>;
  let cut = (): void => undefined;
  const respond = (response: ServerResponse, events: readonly string[], end: "close" | "cut"): void => {
    response.writeHead(200, { "Content-Type": "text/event-stream", "Content-Encoding": encoding });
    const compressed = COMPRESSORS[encoding]();
    compressed.pipe(response);
    for (const text of events) compressed.write(text);
    if (end === "close") compressed.end();
    else cut = () => response.socket?.resetAndDestroy();
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
  return { url: `http://127.0.0.1:${address.port}/mcp`, cut: () => cut() };
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
      const server = await startServer(encoding);
      const { call, notes, told } = await openTransport({}, server.url);
      const answer = call("tools/call", { name: "count" });
      // What is still inside the decompressor goes with the connection: the call must have a cursor before.
      await vi.waitFor(() => expect(notes()).toEqual([1, 2]));
      server.cut();
      await answer;
      await vi.waitFor(() => expect(notes()).toEqual([1, 2, 3]));
      expect(told("resumed")).toHaveLength(1);
    },
  );
});
