// Describes the client's saved record, version 1, and checks what a store gave back.
import { isMessage, isRecord, isRequest, type JsonRpcRequest, type Params } from "../json-rpc.js";

/** Interrupted calls that are kept, the newest: an app that never claims any must not resume ever more of them. */
const MAX_CALLS = 100;

/** A request in flight, as it is kept between two lives. */
export interface SavedCall {
  /** The request's id on the wire. */
  readonly id: string;
  readonly method: string;
  /** In milliseconds since the epoch. */
  readonly startedAt: number;
  /** The app's own name for the call: `_meta["resumable-mcp/key"]`. */
  readonly key?: string;
  /** Absent when the app keeps parameters out of the record. */
  readonly params?: Params;
  /** The last event whose message was handed to the app. Without one the call cannot be resumed. */
  readonly cursor?: string;
  readonly retryMs?: number;
  /** The session that the call runs in, when it is not the record's own. */
  readonly session?: SavedSession;
}

/** A request of the server that the app has not answered yet. */
export interface SavedServerRequest {
  readonly request: JsonRpcRequest;
  /** The event that it came with: a replay brings it again. */
  readonly event?: string;
  /** The call on whose stream it came. */
  readonly call?: string;
  /** The session that it belongs to, when that is not the record's own. */
  readonly session?: SavedSession;
}

export interface SavedSession {
  readonly id?: string;
  readonly protocolVersion?: string;
}

/** What began a session: the SDK's parameters, and the server's answer to them. */
export interface Handshake {
  readonly params: Params;
  readonly result: Params;
}

/** Everything that outlives a page or a process. Version 1. */
export interface ClientRecord {
  readonly version: 1;
  /** When it was last saved, in milliseconds since the epoch. */
  readonly savedAt: number;
  readonly session: SavedSession;
  /** The initialize exchange, so that the next life connects without a round trip. */
  readonly initialize: Handshake | undefined;
  readonly calls: readonly SavedCall[];
  /** The standalone stream's cursor. */
  readonly listenCursor: string | undefined;
  readonly serverRequests: readonly SavedServerRequest[];
  /** The events of requests that were answered, the newest last. */
  readonly answered: readonly string[];
  /** The last `logging/setLevel`, and the resources subscribed to: a new session has to be told again. */
  readonly logLevel: string | undefined;
  readonly subscriptions: readonly string[];
}

export function emptyRecord(): ClientRecord {
  return {
    version: 1,
    savedAt: 0,
    session: {},
    initialize: undefined,
    calls: [],
    listenCursor: undefined,
    serverRequests: [],
    answered: [],
    logLevel: undefined,
    subscriptions: [],
  };
}

/** The fields that have a value, since JSON knows no other. */
export function present<T extends object>(fields: T): { [Name in keyof T]?: Exclude<T[Name], undefined> } {
  // What is left has the types of what was given.
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;
}

type Check = (value: unknown) => boolean;

const isText: Check = (value) => typeof value === "string";
const isNumber: Check = (value) => typeof value === "number";
const matches =
  (pattern: RegExp): Check =>
  (value) =>
    typeof value === "string" && pattern.test(value);
const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);
const listOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check);
const shape =
  (fields: Readonly<Record<string, Check>>): Check =>
  (value) =>
    isRecord(value) && Object.entries(fields).every(([name, check]) => check(value[name]));

/** With one that `fetch` refuses to send, each request would look like a network that fails, until `gave-up`. */
const isHeader = matches(/^[\x20-\x7e\x80-\xff]*$/);

const isSession = shape({ id: optional(isHeader), protocolVersion: optional(isHeader) });

/** What the SDK's client would not accept for an answer would fail every connect from here on. */
const isHandshake = shape({
  params: isRecord,
  result: shape({ capabilities: isRecord, serverInfo: isRecord, protocolVersion: isText }),
});

const isCall = shape({
  // As ids are minted: one is sent in a header (`Idempotency-Key`).
  id: matches(/^[\w-]+$/),
  method: isText,
  startedAt: isNumber,
  key: optional(isText),
  params: optional(isRecord),
  cursor: optional(isText),
  retryMs: optional(isNumber),
  session: optional(isSession),
});

const isServerRequest = shape({
  request: (value) => isMessage(value) && isRequest(value),
  event: optional(isText),
  call: optional(isText),
  session: optional(isSession),
});

const isClientRecord = shape({
  version: (value) => value === 1,
  savedAt: isNumber,
  session: isSession,
  initialize: optional(isHandshake),
  calls: listOf(isCall),
  listenCursor: optional(isText),
  serverRequests: listOf(isServerRequest),
  answered: listOf(isText),
  logLevel: optional(isText),
  subscriptions: listOf(isText),
});

/** Checks what a store gave back. A record that another version wrote, or nobody, is `undefined`. */
export function parseRecord(value: unknown): ClientRecord | undefined {
  if (!isClientRecord(value)) return undefined;
  // Each field was checked above. A copy: the store may go on using its own.
  return { ...emptyRecord(), ...structuredClone(value as ClientRecord) };
}

/** The record without the calls that began before `oldest` (milliseconds since the epoch), and the newest 100 of the rest. */
export function withoutOldCalls(record: ClientRecord, oldest: number): ClientRecord {
  const calls = record.calls.filter(({ startedAt }) => startedAt >= oldest).slice(-MAX_CALLS);
  return { ...record, calls };
}
