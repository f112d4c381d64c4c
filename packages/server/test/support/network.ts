import { once } from "node:events";
import { request as httpRequest, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import type { ReadableStream } from "node:stream/web";
import { createAdaptorServer } from "@hono/node-server";
import { type FaultProxy, faultProxy } from "@resumable-mcp/testing/fault-proxy";

type Handle = (request: Request) => Promise<Response>;

/** A real HTTP server behind a fault proxy, and a client that takes a new connection for each request. */
export class Network {
  readonly proxy: FaultProxy;
  readonly #server: Server;
  readonly #pending: Set<IncomingMessage>;

  private constructor(proxy: FaultProxy, server: Server) {
    this.proxy = proxy;
    this.#server = server;
    this.#pending = new Set();
  }

  static async open(handle: Handle): Promise<Network> {
    // Without HTTP/2 options it is a server of node:http.
    const server = createAdaptorServer({ fetch: handle }) as Server;
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    // The address of a server that listens on TCP is an object.
    const { port } = server.address() as AddressInfo;
    return new Network(await faultProxy({ target: `http://127.0.0.1:${port}/mcp`, seed: 1 }), server);
  }

  /** Sends a request over the network. A connection that is kept alive may be half-open, so none is used again. */
  async fetch({ method, headers, body }: Request): Promise<Response> {
    const options = { method, headers: Object.fromEntries(headers), agent: false };
    const sending = httpRequest(this.proxy.url, options);
    const content = body === null ? "" : await new Response(body).text();
    sending.end(content);
    const [answer] = (await once(sending, "response")) as [IncomingMessage];
    this.#pending.add(answer);
    // Torn down at the end of the test, on purpose.
    answer.on("error", () => undefined);
    const stream = Readable.toWeb(answer) as ReadableStream<Uint8Array>;
    // The same class under two names: Node's own types and those of the DOM.
    const responseBody = stream as unknown as globalThis.ReadableStream<Uint8Array>;
    return new Response(responseBody, { status: answer.statusCode ?? 0 });
  }

  async close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    for (const answer of this.#pending) answer.destroy();
    await this.proxy.close();
    await closed;
  }
}
