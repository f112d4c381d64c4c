import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { expect, onTestFinished } from "vitest";
import type { JsonRpcMessage, JsonRpcRequest, Params } from "../../src/index.js";
import { isRequest, isResponse, parseMessages } from "../../src/json-rpc.js";
import { ServerCall, ServerSession } from "./server-session.js";
import { eventually } from "./eventually.js";

/** One HTTP request that reached the server. */
export interface Received {
  readonly method: string;
  readonly headers: IncomingMessage["headers"];
  readonly message: JsonRpcMessage | undefined;
  /** The JSON-RPC method of the message. */
  readonly rpc: string | undefined;
}

/** An HTTP status, or whatever the test does with the connection itself. */
export type Refusal = number | ((response: ServerResponse) => void);

export interface McpServerOptions {
  /** Whether it hands out session ids. @defaultValue true */
  readonly sessions?: boolean;
  /** Whether its events have ids. @defaultValue true */
  readonly eventIds?: boolean;
  /** Whether a stream begins with a priming event. @defaultValue true */
  readonly priming?: boolean;
  /** Whether it answers requests with JSON. @defaultValue false */
  readonly json?: boolean;
  /** What a GET without a cursor is answered with instead of the standalone stream. */
  readonly get?: number;
  /** Whether it runs a request with a known `Idempotency-Key` only once, and says so. @defaultValue false */
  readonly idempotent?: boolean;
  readonly protocolVersion?: string;
  readonly capabilities?: Params;
  readonly port?: number;
}

/** What the server answers by itself, so that the tests only see calls. */
const ANSWERED = new Set(["ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"]);

/** A Streamable HTTP server on a real socket whose every answer is the test's. */
export class McpServer {
  readonly received: Received[] = [];
  readonly calls: ServerCall[] = [];
  readonly sessions = new Map<string, ServerSession>();
  /** Decides, before anything else, that a request is refused. */
  refuse: (request: Received) => Refusal | undefined = () => undefined;
  readonly #options: McpServerOptions;
  readonly #byKey = new Map<string, ServerCall>();
  readonly #http = createServer((request, response) => void this.#handle(request, response));
  readonly #responses = new Set<ServerResponse>();
  #opened = 0;

  constructor(options: McpServerOptions) {
    this.#options = options;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/mcp`;
  }

  get port(): number {
    // A listening TCP server's address is an object.
    return (this.#http.address() as AddressInfo).port;
  }

  async listen(): Promise<void> {
    this.#http.listen(this.#options.port ?? 0, "127.0.0.1");
    await once(this.#http, "listening");
  }

  async close(): Promise<void> {
    if (!this.#http.listening) return;
    this.#http.close();
    this.#http.closeAllConnections();
    await once(this.#http, "close");
  }

  /** The session opened last. */
  get session(): ServerSession {
    return [...this.sessions.values()].at(-1)!;
  }

  /** How many requests of this JSON-RPC method, or HTTP method, came in. */
  count(method: string): number {
    return this.received.filter(({ rpc, method: http }) => rpc === method || http === method).length;
  }

  /** The messages of this method that came in. */
  messages(method: string): readonly { readonly params?: Params | undefined }[] {
    return this.received.flatMap(({ rpc, message }) =>
      rpc === method && message && "method" in message ? [message] : [],
    );
  }

  /** Waits for the call of the tool with this name, the one at `index`, to come in. */
  async call(tool: string, index = 0): Promise<ServerCall> {
    return eventually(() => {
      const call = this.calls.filter(
        ({ message }) => message.params?.name === tool || message.method === tool,
      )[index];
      expect(call, `call ${index} of ${tool}`).toBeDefined();
      return call!;
    });
  }

  /** Waits until the client listens on the standalone stream. */
  async listening(): Promise<void> {
    await eventually(() => expect(this.session.listening.isConnected).toBe(true));
  }

  /** A session as a handshake makes it. */
  openSession(): ServerSession {
    const { eventIds = true } = this.#options;
    const session = new ServerSession(`session-${this.port}-${++this.#opened}`, eventIds);
    this.sessions.set(session.id, session);
    return session;
  }

  /** Breaks every connection. */
  cut(): void {
    this.#http.closeAllConnections();
  }

  /** How many requests are being answered, streams among them. */
  get answering(): number {
    return this.#responses.size;
  }

  /** How many TCP connections there are. */
  async connections(): Promise<number> {
    return new Promise((resolve, reject) =>
      this.#http.getConnections((error, count) => (error === null ? resolve(count) : reject(error))),
    );
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { headers, method = "" } = request;
    this.#responses.add(response);
    response.once("close", () => this.#responses.delete(response));
    const message = parseMessages(await text(request))?.[0];
    const rpc = message !== undefined && "method" in message ? message.method : undefined;
    const received = { method, headers, message, rpc };
    this.received.push(received);
    const refusal = this.refuse(received);
    if (typeof refusal === "function") {
      refusal(response);
      return;
    }
    if (refusal !== undefined) {
      refuse(response, refusal);
      return;
    }
    if (message !== undefined && isRequest(message) && message.method === "initialize") {
      this.#initialize(message, response);
      return;
    }
    const session = this.#sessionOf(headers);
    if (session === undefined) {
      refuse(response, headers["mcp-session-id"] === undefined ? 400 : 404);
      return;
    }
    if (method === "DELETE") {
      this.sessions.delete(session.id);
      refuse(response, 200);
      return;
    }
    if (method === "GET") {
      this.#get(session, headers["last-event-id"], response);
      return;
    }
    if (message === undefined) {
      refuse(response, 400);
      return;
    }
    if (isRequest(message)) {
      this.#post(session, message, headers["idempotency-key"], response);
      return;
    }
    if (isResponse(message)) session.answered(message);
    refuse(response, 202);
  }

  #sessionOf(headers: IncomingMessage["headers"]): ServerSession | undefined {
    if (this.#options.sessions === false) return this.session;
    return this.sessions.get(String(headers["mcp-session-id"]));
  }

  #initialize(message: JsonRpcRequest, response: ServerResponse): void {
    const { capabilities = { tools: {} }, idempotent, protocolVersion, sessions = true } = this.#options;
    const session = this.openSession();
    const experimental = idempotent === true ? { "resumable-mcp": { idempotency: true } } : {};
    const result = {
      protocolVersion: protocolVersion ?? message.params?.protocolVersion,
      capabilities: { experimental, ...capabilities },
      serverInfo: { name: "test", version: "1" },
    };
    if (sessions) response.setHeader("Mcp-Session-Id", session.id);
    json(response, { jsonrpc: "2.0", id: message.id, result });
  }

  #get(session: ServerSession, lastEventId: string | string[] | undefined, response: ServerResponse): void {
    const stream =
      lastEventId === undefined
        ? session.listening
        : session.streams.find((candidate) => candidate.has(String(lastEventId)));
    if (lastEventId === undefined && this.#options.get !== undefined) {
      refuse(response, this.#options.get);
      return;
    }
    if (stream === undefined) {
      refuse(response, 400);
      return;
    }
    events(response);
    stream.attach(response, lastEventId === undefined ? undefined : String(lastEventId));
  }

  #post(
    session: ServerSession,
    message: JsonRpcRequest,
    key: string | string[] | undefined,
    response: ServerResponse,
  ): void {
    const isKeyed = this.#options.idempotent === true && typeof key === "string";
    const known = isKeyed ? this.#byKey.get(`${session.id} ${key}`) : undefined;
    if (known !== undefined) {
      events(response);
      known.stream.attach(response, `${known.stream.name}:1`);
      return;
    }
    const call = new ServerCall(message, session, session.open(`${session.id}/${session.streams.length}`));
    if (isKeyed) this.#byKey.set(`${session.id} ${key}`, call);
    if (this.#options.json === true) call.onAnswer = (answer) => json(response, answer);
    else {
      events(response);
      call.stream.attach(response);
      if (this.#options.priming !== false) call.stream.append(undefined);
    }
    if (ANSWERED.has(message.method)) call.result({});
    else this.calls.push(call);
  }
}

function refuse(response: ServerResponse, status: number): void {
  response.writeHead(status).end();
}

function json(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(value));
}

function events(response: ServerResponse): void {
  response.writeHead(200, { "Content-Type": "text/event-stream" }).flushHeaders();
}

/** Starts a server for the running test. */
export async function startServer(options: McpServerOptions = {}): Promise<McpServer> {
  const server = new McpServer(options);
  await server.listen();
  onTestFinished(() => server.close());
  return server;
}
