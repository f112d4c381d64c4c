// Turns JSON-RPC messages into the payloads that a log keeps and back, and makes the notification that tells of a gap.

import { EventStoreError } from "../log/errors.js";

/** The stream id under which both SDKs store what belongs to no request: the standalone GET stream. */
export const STANDALONE_STREAM_ID = "_GET_stream";

/** The notification that says, in band, that messages are missing at its place. */
export const GAP_METHOD = "notifications/resumable-mcp/gap";

/** Any JSON-RPC message: structural, so that both SDKs' types fit. */
export interface JsonRpcMessage {
  readonly jsonrpc: "2.0";
  readonly id?: string | number | null | undefined;
  readonly method?: string;
  readonly params?: unknown;
  readonly result?: unknown;
  readonly error?: unknown;
}

/**
 * - `priming`: has an id and is a valid cursor, and is never replayed.
 * - `response`: a JSON-RPC result or error; the last message of a request's stream.
 */
export type MessageKind = "priming" | "message" | "response";

/** A message as it is kept. */
export interface EncodedMessage {
  readonly kind: MessageKind;
  readonly payload: string;
}

const PRIMING_PAYLOAD = "null";

/**
 * `null` is a priming event; so is `{}`, which the SDKs store for it.
 *
 * @throws {EventStoreError} `invalid-message` when the message cannot be written as JSON.
 */
export function encodeMessage(message: object | null): EncodedMessage {
  if (message === null || isEmpty(message)) return { kind: "priming", payload: PRIMING_PAYLOAD };
  return { kind: isResponse(message) ? "response" : "message", payload: stringify(message) };
}

/**
 * @returns `undefined` for a priming event.
 * @throws {EventStoreError} `backend` when the log gives back what {@link encodeMessage} never wrote.
 */
export function decodePayload(payload: string): JsonRpcMessage | undefined {
  if (isPrimingPayload(payload)) return undefined;
  const message = parse(payload);
  if (typeof message === "object" && message !== null) {
    // encodeMessage wrote it from a message of this type; a log changes no payload.
    return message as JsonRpcMessage;
  }
  throw new EventStoreError("backend", "An event in the log is not a JSON-RPC message.");
}

/** Whether the message is a JSON-RPC result or error. */
export function isResponse(message: object): boolean {
  return !("method" in message) && ("result" in message || "error" in message);
}

/** How a payload begins that has a method, as both SDKs write their messages. */
const METHOD_FIRST = /^\{(?:"jsonrpc":"2\.0",)?"method":/;

/** Whether the payload, as kept in the log, is of a priming event: it has an id and is never replayed. */
export function isPrimingPayload(payload: string): boolean {
  return payload === PRIMING_PAYLOAD;
}

/** Whether the payload, as kept in the log, is a JSON-RPC result or error. */
export function isResponsePayload(payload: string): boolean {
  // Most are not, and this costs a hundredth of parsing them.
  if (METHOD_FIRST.test(payload)) return false;
  const message = decodePayload(payload);
  return message !== undefined && isResponse(message);
}

/** What is missing at a place of a stream. */
export interface Gap {
  /** How many messages are missing. */
  readonly missed: number;
  /** The first missing seq. */
  readonly from: number;
  /** The last missing seq; smaller than `from` when only messages are missing that never had one. */
  readonly to: number;
}

export interface GapNotification extends JsonRpcMessage {
  readonly method: typeof GAP_METHOD;
  readonly params: Gap;
}

export function gapNotification({ missed, from, to }: Gap): GapNotification {
  return { jsonrpc: "2.0", method: GAP_METHOD, params: { missed, from, to } };
}

function isEmpty(message: object): boolean {
  for (const key in message) if (Object.hasOwn(message, key)) return false;
  return !Array.isArray(message);
}

function parse(payload: string): unknown {
  try {
    return JSON.parse(payload);
  } catch (cause) {
    throw new EventStoreError("backend", "An event in the log is not JSON.", { cause });
  }
}

function stringify(message: object): string {
  try {
    // Undefined for an object whose toJSON returns undefined; the type of the library does not say so.
    const text = JSON.stringify(message) as string | undefined;
    if (text !== undefined) return text;
  } catch (cause) {
    throw new EventStoreError("invalid-message", "A message could not be written as JSON.", { cause });
  }
  throw new EventStoreError("invalid-message", "A message has no JSON form: its toJSON() returns undefined.");
}
