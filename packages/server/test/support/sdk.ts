import { WebStandardStreamableHTTPServerTransport as TransportV1 } from "@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js";
import { WebStandardStreamableHTTPServerTransport as TransportV2 } from "@modelcontextprotocol/server";
import { WebStandardStreamableHTTPServerTransport as TransportOldestV1 } from "sdk-oldest-v1/server/webStandardStreamableHttp.js";
import { WebStandardStreamableHTTPServerTransport as TransportOldestV2 } from "sdk-oldest-v2-server";
import type { EventStore } from "../../src/sdk/event-store.js";
import type { SessionEventStore } from "../../src/sdk/session-event-store.js";
import type { answer, failure, numbered } from "./messages.js";

export type TestMessage =
  | ReturnType<typeof numbered>
  | ReturnType<typeof answer>
  | ReturnType<typeof failure>
  | { jsonrpc: "2.0"; id: number; result: Record<string, unknown> };

type Handle = (request: Request) => Promise<Response>;

/** What the tests need of a transport, the same for every SDK. */
interface Transport {
  handleRequest(request: Request): Promise<Response>;
  send(message: TestMessage, options?: { relatedRequestId?: number }): Promise<void>;
  close(): Promise<void>;
}

interface TransportEvents {
  readonly onMessage: (message: object) => void;
  readonly onError: (error: Error) => void;
  readonly onSessionClosed: (sessionId: string) => Promise<void>;
}

/** What both SDKs' types demand of an event store. */
type SdkEventStore = Pick<SessionEventStore, "storeEvent" | "getStreamIdForEventId" | "replayEventsAfter">;

export type Open = (
  sessionId: string,
  eventStore: SdkEventStore,
  events: TransportEvents,
) => Promise<Transport>;

/** The same lines for each class: their types have nothing in common. */
export const sdks: readonly { readonly sdk: string; readonly open: Open }[] = [
  {
    sdk: "1.30.0",
    open: async (sessionId, eventStore, { onMessage, onError, onSessionClosed }) => {
      const options = { sessionIdGenerator: () => sessionId, eventStore, onsessionclosed: onSessionClosed };
      const transport = new TransportOldestV1(options);
      transport.onmessage = onMessage;
      transport.onerror = onError;
      await transport.start();
      return transport;
    },
  },
  {
    sdk: "1.32.2",
    open: async (sessionId, eventStore, { onMessage, onError, onSessionClosed }) => {
      const options = { sessionIdGenerator: () => sessionId, eventStore, onsessionclosed: onSessionClosed };
      const transport = new TransportV1(options);
      transport.onmessage = onMessage;
      transport.onerror = onError;
      await transport.start();
      return transport;
    },
  },
  {
    sdk: "2.0.0",
    open: async (sessionId, eventStore, { onMessage, onError, onSessionClosed }) => {
      const options = { sessionIdGenerator: () => sessionId, eventStore, onsessionclosed: onSessionClosed };
      const transport = new TransportOldestV2(options);
      transport.onmessage = onMessage;
      transport.onerror = onError;
      await transport.start();
      return transport;
    },
  },
  {
    sdk: "2.4.0",
    open: async (sessionId, eventStore, { onMessage, onError, onSessionClosed }) => {
      const options = { sessionIdGenerator: () => sessionId, eventStore, onsessionclosed: onSessionClosed };
      const transport = new TransportV2(options);
      transport.onmessage = onMessage;
      transport.onerror = onError;
      await transport.start();
      return transport;
    },
  },
];

/** One session of a stock SDK transport over a store, driven with requests: without a network unless given one. */
export class SdkSession {
  readonly sessionId: string;
  readonly errors: readonly Error[];
  readonly transport: Transport;
  readonly #protocolVersion: string;
  readonly #handle: Handle;

  private constructor(
    sessionId: string,
    transport: Transport,
    protocolVersion: string,
    errors: Error[],
    handle: Handle,
  ) {
    this.sessionId = sessionId;
    this.transport = transport;
    this.#protocolVersion = protocolVersion;
    this.errors = errors;
    this.#handle = handle;
  }

  /** Opens a session and initializes it; the initialize answer is consumed. */
  static async open(
    open: Open,
    store: Pick<EventStore, "endSession"> & { forSession(sessionId: string): SdkEventStore },
    options: {
      readonly protocolVersion?: string;
      readonly sessionId?: string;
      /** Takes what answers requests, and returns what sends them there. @defaultValue no network */
      readonly over?: (handle: Handle) => Promise<Handle>;
    } = {},
  ): Promise<SdkSession> {
    const { protocolVersion = "2025-11-25", sessionId = crypto.randomUUID() } = options;
    const { over = (handle: Handle) => Promise.resolve(handle) } = options;
    const errors: Error[] = [];
    const transport = await open(sessionId, store.forSession(sessionId), {
      onMessage: () => undefined,
      onError: (error) => errors.push(error),
      onSessionClosed: (id) => store.endSession(id),
    });
    const handle = await over((request) => transport.handleRequest(request));
    const session = new SdkSession(sessionId, transport, protocolVersion, errors, handle);
    const clientInfo = { name: "test", version: "1" };
    const params = { protocolVersion, capabilities: {}, clientInfo };
    const response = await session.post({ jsonrpc: "2.0", id: 0, method: "initialize", params });
    const result = { protocolVersion, capabilities: {}, serverInfo: clientInfo };
    await transport.send({ jsonrpc: "2.0", id: 0, result });
    await response.text();
    return session;
  }

  /** Starts a call that stays open until it is answered. */
  call(id: number): Promise<Response> {
    return this.post({ jsonrpc: "2.0", id, method: "tools/call", params: { name: "test" } });
  }

  post(body: object): Promise<Response> {
    const headers = {
      ...this.#headers(),
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
    };
    return this.#request({ method: "POST", headers, body: JSON.stringify(body) });
  }

  get(lastEventId?: string): Promise<Response> {
    const headers: Record<string, string> = { ...this.#headers(), accept: "text/event-stream" };
    if (lastEventId !== undefined) headers["last-event-id"] = lastEventId;
    return this.#request({ method: "GET", headers });
  }

  delete(): Promise<Response> {
    return this.#request({ method: "DELETE", headers: this.#headers() });
  }

  #headers(): Record<string, string> {
    return { "mcp-session-id": this.sessionId, "mcp-protocol-version": this.#protocolVersion };
  }

  #request(init: RequestInit): Promise<Response> {
    return this.#handle(new Request("http://localhost/mcp", init));
  }
}
