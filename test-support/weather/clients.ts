// Connects MCP clients of both SDKs, over any transport, for runs through bad weather.
import {
  Client as ClientV2,
  StreamableHTTPClientTransport as TransportV2,
} from "@modelcontextprotocol/client";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as TransportV1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import type { CountArguments } from "../sdk-servers/count-tool.js";

/** An MCP client, reduced to what a run through bad weather asks of it. */
export interface WeatherClient {
  /** Calls the tool `count`, and hands over the text of each progress message as it arrives. */
  count(call: CountArguments, onArrival: (text: string) => void): Promise<string>;
  close(): Promise<void>;
}

/** A transport as `connect()` of each SDK's client takes it. */
type ConnectableV1 = Parameters<ClientV1["connect"]>[0];
type ConnectableV2 = Parameters<ClientV2["connect"]>[0];

const INFO = { name: "weather", version: "1.0.0" };

interface Progress {
  readonly progress: number;
  readonly message?: string | undefined;
}

function requestOptions(timeoutMs: number, onArrival: (text: string) => void) {
  return {
    timeout: timeoutMs,
    resetTimeoutOnProgress: true,
    onprogress: ({ progress, message }: Progress) => onArrival(message ?? `progress ${progress}`),
  };
}

function textOf(result: object): string {
  if (!("content" in result) || !Array.isArray(result.content)) return JSON.stringify(result);
  const [first] = result.content as readonly unknown[];
  return typeof first === "object" && first !== null && "text" in first
    ? String(first.text)
    : JSON.stringify(result);
}

/** The client of SDK 1.x over any transport. `timeoutMs` counts from the latest progress message. */
export async function connectV1(transport: ConnectableV1, timeoutMs: number): Promise<WeatherClient> {
  const client = new ClientV1(INFO);
  await client.connect(transport);
  return {
    async count(call, onArrival) {
      const params = { name: "count", arguments: { ...call } };
      return textOf(await client.callTool(params, undefined, requestOptions(timeoutMs, onArrival)));
    },
    close: () => client.close(),
  };
}

/** The client of SDK 2.x over any transport. `timeoutMs` counts from the latest progress message. */
export async function connectV2(transport: ConnectableV2, timeoutMs: number): Promise<WeatherClient> {
  const client = new ClientV2(INFO);
  await client.connect(transport);
  return {
    async count(call, onArrival) {
      const params = { name: "count", arguments: { ...call } };
      return textOf(await client.callTool(params, requestOptions(timeoutMs, onArrival)));
    },
    close: () => client.close(),
  };
}

/** How often the SDK's own transports try to reconnect, and how they wait, unless told otherwise. */
const SDK_RECONNECTION = {
  initialReconnectionDelay: 1000,
  maxReconnectionDelay: 30_000,
  reconnectionDelayGrowFactor: 1.5,
  maxRetries: 2,
};

/**
 * SDK 1.x with its own transport, as shipped or told to retry so many times. Its lost calls would wait for ever: the
 * time-out ends them.
 */
export function sdkClientV1(url: string, timeoutMs: number, maxRetries?: number): Promise<WeatherClient> {
  const options =
    maxRetries === undefined ? {} : { reconnectionOptions: { ...SDK_RECONNECTION, maxRetries } };
  return connectV1(new TransportV1(new URL(url), options), timeoutMs);
}

/** The same of SDK 2.x. */
export function sdkClientV2(url: string, timeoutMs: number, maxRetries?: number): Promise<WeatherClient> {
  const options =
    maxRetries === undefined ? {} : { reconnectionOptions: { ...SDK_RECONNECTION, maxRetries } };
  return connectV2(new TransportV2(new URL(url), options), timeoutMs);
}
