// The client's saved record, version 1: its type, and the check of what a store gave back.
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

const isText = (value: unknown): value is string => typeof value === "string";
const isTextOrAbsent = (value: unknown): boolean => value === undefined || isText(value);

/** With one that `fetch` refuses to send, each request would look like a network that fails, until `gave-up`. */
const isHeaderOrAbsent = (value: unknown): boolean =>
  value === undefined || (isText(value) && /^[\x20-\x7e\x80-\xff]*$/.test(value));

const isSession = (value: unknown): value is SavedSession =>
  isRecord(value) && isHeaderOrAbsent(value.id) && isHeaderOrAbsent(value.protocolVersion);

/** What the SDK's client would not accept for an answer would fail every connect from here on. */
const isHandshake = (value: unknown): boolean =>
  isRecord(value) &&
  isRecord(value.params) &&
  isRecord(value.result) &&
  isRecord(value.result.capabilities) &&
  isRecord(value.result.serverInfo) &&
  isText(value.result.protocolVersion);

const isCall = (value: unknown): value is SavedCall =>
  isRecord(value) &&
  isText(value.id) &&
  // As ids are minted: one is sent in a header (`Idempotency-Key`).
  /^[\w-]+$/.test(value.id) &&
  isText(value.method) &&
  typeof value.startedAt === "number" &&
  isTextOrAbsent(value.key) &&
  isTextOrAbsent(value.cursor) &&
  (value.params === undefined || isRecord(value.params)) &&
  (value.retryMs === undefined || typeof value.retryMs === "number") &&
  (value.session === undefined || isSession(value.session));

const isServerRequest = (value: unknown): value is SavedServerRequest =>
  isRecord(value) &&
  isMessage(value.request) &&
  isRequest(value.request) &&
  isTextOrAbsent(value.event) &&
  isTextOrAbsent(value.call) &&
  (value.session === undefined || isSession(value.session));

const isListOf = (value: unknown, isItem: (item: unknown) => boolean): boolean =>
  Array.isArray(value) && value.every(isItem);

/** Checks what a store gave back. A record that another version wrote, or nobody, is `undefined`. */
export function parseRecord(value: unknown): ClientRecord | undefined {
  if (!isRecord(value) || value.version !== 1 || typeof value.savedAt !== "number") return undefined;
  const isValid =
    isSession(value.session) &&
    (value.initialize === undefined || isHandshake(value.initialize)) &&
    isTextOrAbsent(value.listenCursor) &&
    isTextOrAbsent(value.logLevel) &&
    isListOf(value.subscriptions, isText) &&
    isListOf(value.answered, isText) &&
    isListOf(value.calls, isCall) &&
    isListOf(value.serverRequests, isServerRequest);
  if (!isValid) return undefined;
  // Each field was checked above. A copy: the store may go on using its own.
  return { ...emptyRecord(), ...structuredClone(value as unknown as ClientRecord) };
}

/** The record without the calls that began before `oldest` (milliseconds since the epoch), and the newest 100 of the rest. */
export function withoutOldCalls(record: ClientRecord, oldest: number): ClientRecord {
  const calls = record.calls.filter(({ startedAt }) => startedAt >= oldest).slice(-MAX_CALLS);
  return { ...record, calls };
}
