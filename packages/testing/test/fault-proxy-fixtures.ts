import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import { onTestFinished } from "vitest";
import { faultProxy, type FaultProxy, type FaultProxyOptions, type Weather } from "../src/fault-proxy.js";

export interface TargetServer {
  readonly url: string;
  /** Method, path and body of each request that came, in order. */
  readonly requests: readonly string[];
  /** How many connections it believes to be open. */
  connections(): Promise<number>;
}

type Answer = (request: IncomingMessage, response: ServerResponse, body: string) => void;

/** A real HTTP server that lives as long as the test. */
export async function targetServer(answer: Answer): Promise<TargetServer> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = Buffer.concat(chunks).toString();
      requests.push(`${request.method ?? ""} ${request.url ?? ""} ${body}`.trim());
      answer(request, response, body);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  // A listening TCP server's address is an object.
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/mcp`,
    requests,
    connections: () =>
      new Promise((resolve, reject) =>
        server.getConnections((error, count) => (error === null ? resolve(count) : reject(error))),
      ),
  };
}

/** Answers with a whole body of so many bytes. */
export function wholeBody(bytes: number): Answer {
  return (_request, response) => response.end("x".repeat(bytes));
}

/** Answers with an event stream that has an event every 5 ms and never ends. */
export const endlessStream: Answer = (_request, response) => {
  response.writeHead(200, { "content-type": "text/event-stream" });
  let count = 0;
  const timer = setInterval(() => response.write(`data: ${(count += 1)}\n\n`), 5);
  response.on("close", () => clearInterval(timer));
};

/** Answers with an event stream that has one event and never ends. */
export const quietStream: Answer = (_request, response) => {
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.write("data: 1\n\n");
};

/** A proxy that lives as long as the test. */
export async function proxyTo(
  target: TargetServer,
  weather: Weather,
  options: Partial<FaultProxyOptions> = {},
): Promise<FaultProxy> {
  const proxy = await faultProxy({ target: target.url, seed: 1, weather, ...options });
  onTestFinished(() => proxy.close());
  return proxy;
}

export interface RawClient {
  readonly socket: Socket;
  /** What has come so far. */
  received(): string;
  send(request: string): void;
  /**
   * How the connection ended: in good order, or reset. When a reset comes together with data, Node reports an end in
   * good order after the data; so only a client that has read everything can tell.
   */
  readonly ended: Promise<"closed" | "reset">;
}

/** A bare TCP connection to the proxy, which nothing retries, pools or repairs. */
export function rawClient(proxy: FaultProxy): RawClient {
  const socket = connect(proxy.port, "127.0.0.1");
  onTestFinished(() => void socket.destroy());
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  const ended = new Promise<"closed" | "reset">((resolve) => {
    socket.once("end", () => resolve("closed"));
    socket.once("error", () => resolve("reset"));
  });
  return {
    socket,
    ended,
    received: () => Buffer.concat(chunks).toString("latin1"),
    send: (request) => void socket.write(request),
  };
}

export function post(body = "{}"): string {
  return `POST /mcp HTTP/1.1\r\nHost: test\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

export function get(lastEventId?: string): string {
  const header = lastEventId === undefined ? "" : `Last-Event-ID: ${lastEventId}\r\n`;
  return `GET /mcp HTTP/1.1\r\nHost: test\r\n${header}\r\n`;
}
