import { onTestFinished } from "vitest";
import {
  type JsonRpcMessage,
  type Params,
  type TransportEventMap,
  memoryStore,
  ResumableTransport,
  ResumeError,
} from "../../src/index.js";
import type { ResumableTransportOptions } from "../../src/options.js";
import { ENDPOINT } from "./msw-server.js";

/** A transport after its handshake, with everything that it told. */
export interface OpenTransport {
  readonly transport: ResumableTransport;
  readonly messages: readonly JsonRpcMessage[];
  readonly errors: readonly Error[];
  readonly told: <Type extends keyof TransportEventMap>(type: Type) => readonly TransportEventMap[Type][];
  /** Sends a request under the next id, and settles as `send` does. */
  readonly call: (method: string, params?: Params) => Promise<void>;
  /** The `data` of the notes that arrived, in order. */
  readonly notes: () => readonly unknown[];
}

const TOLD = ["statuschange", "resumed", "gap", "sessionreplaced", "cursor"] as const;

/** Connects to the scripted server as an SDK's client does. Jitter is 0, so that backing off costs no time. */
export async function openTransport(
  options: Partial<ResumableTransportOptions> = {},
  url = ENDPOINT,
): Promise<OpenTransport> {
  const transport = new ResumableTransport(url, { store: memoryStore(), random: () => 0, ...options });
  onTestFinished(() => transport.close());
  const messages: JsonRpcMessage[] = [];
  const errors: Error[] = [];
  const told: { readonly type: string; readonly detail: unknown }[] = [];
  transport.onmessage = (message) => messages.push(message);
  transport.onerror = (error) => errors.push(error);
  for (const type of TOLD)
    transport.addEventListener(type, ({ detail }: CustomEvent<unknown>) => told.push({ type, detail }));
  await transport.start();
  await transport.send({
    jsonrpc: "2.0",
    id: 0,
    method: "initialize",
    params: {
      protocolVersion: "2025-11-25",
      capabilities: {},
      clientInfo: { name: "test", version: "1" },
    },
  });
  await transport.send({ jsonrpc: "2.0", method: "notifications/initialized" });
  messages.length = 0;
  let id = 0;
  return {
    transport,
    messages,
    errors,
    // Each detail was dispatched under its own type.
    told: <Type extends keyof TransportEventMap>(type: Type) =>
      told.filter((entry) => entry.type === type).map(({ detail }) => detail as TransportEventMap[Type]),
    call: (method, params) => transport.send({ jsonrpc: "2.0", id: ++id, method, ...(params && { params }) }),
    notes: () =>
      messages.flatMap((message) =>
        "method" in message && message.method === "notifications/message" ? [message.params?.data] : [],
      ),
  };
}

/** The error that a promise rejects with, which must be the client's own. */
export async function failureOf(promise: Promise<unknown>): Promise<ResumeError> {
  const error: unknown = await promise.then(
    () => new Error("It resolved"),
    (reason: unknown) => reason,
  );
  if (error instanceof ResumeError) return error;
  throw error;
}
