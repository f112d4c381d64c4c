import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { onTestFinished } from "vitest";
import {
  type StateStore,
  type TransportEventMap,
  memoryStore,
  ResumableTransport,
  ResumeError,
} from "../../src/index.js";
import type { ResumableTransportOptions } from "../../src/options.js";
import type { ClientRecord } from "../../src/state/client-record.js";

/** One life of an app: an SDK client on our transport, with all that they reported. */
export interface Life {
  readonly client: Client;
  readonly transport: ResumableTransport;
  readonly errors: Error[];
  readonly told: <Type extends keyof TransportEventMap>(type: Type) => readonly TransportEventMap[Type][];
}

export interface LifeOptions extends Partial<ResumableTransportOptions> {
  readonly capabilities?: NonNullable<ConstructorParameters<typeof Client>[1]>["capabilities"];
  readonly name?: string;
  /** Sets handlers before the client connects. */
  readonly prepare?: (client: Client) => void;
}

const TOLD = ["statuschange", "resumed", "gap", "sessionreplaced", "cursor"] as const;

/** A client that is not connected. Jitter is 0, so that backing off costs no time. */
export function prepareLife(url: string, store: StateStore = memoryStore(), options: LifeOptions = {}): Life {
  const { capabilities = {}, name = "app", prepare, ...transportOptions } = options;
  const transport = new ResumableTransport(url, { store, random: () => 0, ...transportOptions });
  const client = new Client({ name, version: "1" }, { capabilities });
  const errors: Error[] = [];
  client.onerror = (error) => errors.push(error);
  const told: { readonly type: string; readonly detail: unknown }[] = [];
  for (const type of TOLD)
    transport.addEventListener(type, ({ detail }: CustomEvent<unknown>) => told.push({ type, detail }));
  prepare?.(client);
  onTestFinished(() => transport.close());
  return {
    client,
    transport,
    errors,
    // Each detail was dispatched under its own type.
    told: <Type extends keyof TransportEventMap>(type: Type) =>
      told.filter((entry) => entry.type === type).map(({ detail }) => detail as TransportEventMap[Type]),
  };
}

/** A memory store that shows what was saved. */
export function openStore(): StateStore & { readonly records: ClientRecord[] } {
  const inner = memoryStore();
  const records: ClientRecord[] = [];
  return {
    records,
    async acquire(scope, signal) {
      const slot = await inner.acquire(scope, signal);
      return {
        ...slot,
        save(record) {
          // What the transport saves.
          records.push(structuredClone(record) as ClientRecord);
          return slot.save(record);
        },
      };
    },
  };
}

/** A client that is connected. */
export async function startLife(url: string, store?: StateStore, options?: LifeOptions): Promise<Life> {
  const life = prepareLife(url, store, options);
  await life.client.connect(life.transport);
  return life;
}

/** Calls a tool, and notes the progress numbers as they arrive. */
export function callTool(
  { client }: Life,
  name: string,
  options: { readonly key?: string; readonly signal?: AbortSignal; readonly timeout?: number } = {},
) {
  const seen: number[] = [];
  const { key, ...rest } = options;
  const result = client.callTool(
    { name, arguments: {}, ...(key === undefined ? {} : { _meta: { "resumable-mcp/key": key } }) },
    undefined,
    { onprogress: ({ progress }) => seen.push(progress), timeout: 2 ** 31 - 1, ...rest },
  );
  // A test that ends its client does not ask for the outcome.
  result.catch(() => undefined);
  return { seen, result };
}

/** The result that {@link textOf} reads. */
export const textResult = (text: string) => ({ content: [{ type: "text" as const, text }] });

export function textOf(result: unknown): unknown {
  // What the tests' own servers answered.
  return (result as ReturnType<typeof textResult>).content[0]?.text;
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
