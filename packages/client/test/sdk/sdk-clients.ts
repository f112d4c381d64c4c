import { Client as NewestClientV2 } from "@modelcontextprotocol/client";
import { Client as NewestClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import { Client as OldestClientV1 } from "sdk-oldest-v1/client/index.js";
import { Client as OldestClientV2 } from "sdk-oldest-v2-client";
import { NO_TIMEOUT, type ResumableTransport } from "../../src/index.js";
import { textOf } from "./clients.js";

/** What the tests ask of any SDK's client. */
export interface AnyClient {
  readonly capabilities: () => unknown;
  readonly listTools: () => Promise<readonly string[]>;
  /** Calls the tool `count`; returns the text of its result. */
  readonly count: (
    call: { readonly key: string; readonly messages: number; readonly intervalMs: number },
    onProgress: (progress: number) => void,
  ) => Promise<unknown>;
  readonly close: () => Promise<void>;
  readonly errors: readonly Error[];
}

const INFO = { name: "app", version: "1" };

function adapt(
  client: NewestClientV1 | OldestClientV1 | NewestClientV2 | OldestClientV2,
  callTool: (call: object, onprogress: (given: { progress: number }) => void) => Promise<unknown>,
): AnyClient {
  const errors: Error[] = [];
  client.onerror = (error: Error) => errors.push(error);
  return {
    errors,
    capabilities: () => client.getServerCapabilities(),
    listTools: async () => (await client.listTools()).tools.map(({ name }) => name),
    count: async (call, onProgress) => textOf(await callTool(call, ({ progress }) => onProgress(progress))),
    close: () => client.close(),
  };
}

async function connectV2(
  client: NewestClientV2 | OldestClientV2,
  transport: ResumableTransport,
): Promise<AnyClient> {
  const adapted = adapt(client, (call, onprogress) =>
    client.callTool({ name: "count", arguments: { ...call } }, { onprogress, timeout: NO_TIMEOUT }),
  );
  await client.connect(transport);
  return adapted;
}

/** Connects a client of each SDK that the transport is held to. */
export const SDK_CLIENTS = {
  "1.30": async (transport: ResumableTransport) => {
    const client = new OldestClientV1(INFO);
    const adapted = adapt(client, (call, onprogress) =>
      client.callTool({ name: "count", arguments: { ...call } }, undefined, {
        onprogress,
        timeout: NO_TIMEOUT,
      }),
    );
    await client.connect(transport);
    return adapted;
  },
  "1.32": async (transport: ResumableTransport) => {
    const client = new NewestClientV1(INFO);
    const adapted = adapt(client, (call, onprogress) =>
      client.callTool({ name: "count", arguments: { ...call } }, undefined, {
        onprogress,
        timeout: NO_TIMEOUT,
      }),
    );
    await client.connect(transport);
    return adapted;
  },
  "2.0": (transport: ResumableTransport) =>
    connectV2(new OldestClientV2(INFO, { versionNegotiation: { mode: "legacy" } }), transport),
  "2.0 in auto mode": (transport: ResumableTransport) =>
    connectV2(new OldestClientV2(INFO, { versionNegotiation: { mode: "auto" } }), transport),
  "2.4": (transport: ResumableTransport) =>
    connectV2(new NewestClientV2(INFO, { versionNegotiation: { mode: "legacy" } }), transport),
  "2.4 in auto mode": (transport: ResumableTransport) =>
    connectV2(new NewestClientV2(INFO, { versionNegotiation: { mode: "auto" } }), transport),
} as const;
