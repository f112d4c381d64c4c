import { http, HttpResponse } from "msw";
import { type SetupServer, setupServer } from "msw/node";
import { afterAll, afterEach, beforeAll } from "vitest";
import { isRequest, type JsonRpcMessage, parseMessages } from "../../src/json-rpc.js";

/** Where the scripted MCP server is. No socket is opened: msw answers in the process. */
export const ENDPOINT = "https://mcp.example/mcp";

/** One HTTP request that reached the server. */
export interface Received {
  readonly method: string;
  readonly headers: Headers;
  /** The JSON-RPC message of a POST. */
  readonly message: JsonRpcMessage | undefined;
  readonly lastEventId: string | null;
  readonly sessionId: string | null;
}

export type Answer = (request: Received) => Response | Promise<Response>;

/** What becomes of a body after its last part. */
export type BodyEnd = "close" | "cut" | "stall";

const encoder = new TextEncoder();

/**
 * A body that hands out its parts as they are read, and then is closed, breaks, or never sends another byte.
 * Pulled, because `controller.error()` would throw away what was queued before it.
 */
export function body(parts: readonly (string | Uint8Array)[], end: BodyEnd): ReadableStream<Uint8Array> {
  const left = [...parts];
  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const part = left.shift();
        if (part !== undefined) controller.enqueue(typeof part === "string" ? encoder.encode(part) : part);
        else if (end === "close") controller.close();
        else if (end === "cut") controller.error(new Error("The socket was closed"));
        else return new Promise<void>(() => undefined);
        return undefined;
      },
    },
    { highWaterMark: 0 },
  );
}

/** An answer that is an event stream. */
export function sse(
  parts: readonly (string | Uint8Array)[],
  end: BodyEnd = "close",
  headers: Readonly<Record<string, string>> = {},
): Response {
  return new HttpResponse(body(parts, end), { headers: { "Content-Type": "text/event-stream", ...headers } });
}

export interface EventFields {
  readonly id?: string;
  readonly retry?: number | string;
  readonly event?: string;
  /** Serialised when it is not a string. */
  readonly data?: unknown;
}

/** One server-sent event. Without `data` it has no such field. */
export function event({ id, retry, event: type, data }: EventFields): string {
  const lines = [
    ...(type === undefined ? [] : [`event: ${type}`]),
    ...(id === undefined ? [] : [`id: ${id}`]),
    ...(retry === undefined ? [] : [`retry: ${retry}`]),
    ...(data === undefined ? [] : [`data: ${typeof data === "string" ? data : JSON.stringify(data)}`]),
  ];
  return `${lines.join("\n")}\n\n`;
}

/** A notification that tests can tell from its neighbours. */
export const note = (n: number): JsonRpcMessage => ({
  jsonrpc: "2.0",
  method: "notifications/message",
  params: { level: "info", data: n },
});

/** The final response to the request that was received. */
export function resultOf({ message }: Pick<Received, "message">, value: unknown = "done"): JsonRpcMessage {
  if (message === undefined || !isRequest(message)) throw new Error("Not a request");
  return { jsonrpc: "2.0", id: message.id, result: { value } };
}

export const status = (code: number, headers: Readonly<Record<string, string>> = {}): Response =>
  new HttpResponse(null, { status: code, headers });

export const json = (value: unknown, headers: Readonly<Record<string, string>> = {}): Response =>
  new HttpResponse(JSON.stringify(value), { headers: { "Content-Type": "application/json", ...headers } });

/** The network fails: no answer at all. */
export const broken = (): Response => HttpResponse.error();

/** Answers in turn; the last one is given again and again. */
export function inTurn(...answers: readonly Answer[]): Answer {
  let count = 0;
  return (request) => {
    const answer = answers[Math.min(count, answers.length - 1)];
    count += 1;
    if (answer === undefined) throw new Error("No answer was scripted");
    return answer(request);
  };
}

export interface Script {
  /** Answers the requests that are neither `initialize` nor `ping`. */
  readonly onCall?: Answer;
  /** Answers GETs with a `Last-Event-ID`. */
  readonly onResume?: Answer;
  /** Answers GETs without one: the standalone stream. @defaultValue 405 */
  readonly onListen?: Answer;
  /** @defaultValue a result */
  readonly onPing?: Answer;
  /** @defaultValue a session `s1`, `s2`, … for each handshake */
  readonly onInitialize?: Answer;
  /** Answers notifications and responses. @defaultValue 202 */
  readonly onNotification?: Answer;
}

export interface ScriptedServer {
  readonly msw: SetupServer;
  /** Everything that reached the endpoint since the last `play`. */
  readonly received: readonly Received[];
  /** The received requests other than the handshake. */
  readonly calls: () => readonly Received[];
  readonly play: (script: Script) => void;
}

export const INITIALIZE_RESULT = {
  protocolVersion: "2025-11-25",
  capabilities: { tools: {} },
  serverInfo: { name: "scripted", version: "1" },
};

/** A server whose every answer a test decides. Listens for the tests of the file that calls this. */
export function scriptedServer(): ScriptedServer {
  const received: Received[] = [];
  let script: Script = {};
  let sessions = 0;
  const newSession: Answer = (request) => {
    if (request.message === undefined || !isRequest(request.message)) throw new Error("Not a request");
    const { id } = request.message;
    return json({ jsonrpc: "2.0", id, result: INITIALIZE_RESULT }, { "Mcp-Session-Id": `s${++sessions}` });
  };
  const answerTo = (request: Received): Answer => {
    const { message } = request;
    if (request.method === "GET")
      return (request.lastEventId === null ? script.onListen : script.onResume) ?? (() => status(405));
    if (message === undefined) return () => status(200);
    if (!isRequest(message)) return script.onNotification ?? (() => status(202));
    if (message.method === "initialize") return script.onInitialize ?? newSession;
    if (message.method === "ping") return script.onPing ?? ((ping) => json(resultOf(ping)));
    return script.onCall ?? (() => status(501));
  };
  const msw = setupServer(
    http.all(ENDPOINT, async ({ request }) => {
      const text = await request.text();
      const { headers, method } = request;
      const entry: Received = {
        method,
        headers,
        message: text === "" ? undefined : parseMessages(text)?.[0],
        lastEventId: headers.get("Last-Event-ID"),
        sessionId: headers.get("Mcp-Session-Id"),
      };
      received.push(entry);
      return answerTo(entry)(entry);
    }),
  );
  const play = (next: Script): void => {
    script = next;
    sessions = 0;
    received.length = 0;
  };
  beforeAll(() => msw.listen({ onUnhandledRequest: "error" }));
  afterEach(() => play({}));
  afterAll(() => msw.close());
  const isHandshake = ({ message }: Received): boolean =>
    message !== undefined &&
    "method" in message &&
    /^(initialize|notifications\/initialized)$/.test(message.method);
  return {
    msw,
    received,
    calls: () => received.filter((request) => !isHandshake(request)),
    play,
  };
}
