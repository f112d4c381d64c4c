// Describes JSON-RPC messages by their shape, so that those of either SDK fit, and checks and parses them.
/** The JSON-RPC shapes of MCP, structural, so that the messages of either SDK fit without importing it. */
export type RequestId = string | number;

export type Params = Readonly<Record<string, unknown>>;

export interface JsonRpcRequest {
  readonly jsonrpc: "2.0";
  readonly id: RequestId;
  readonly method: string;
  readonly params?: Params | undefined;
}

export interface JsonRpcNotification {
  readonly jsonrpc: "2.0";
  readonly method: string;
  readonly params?: Params | undefined;
}

export interface JsonRpcResult {
  readonly jsonrpc: "2.0";
  readonly id: RequestId;
  readonly result: Params;
}

export interface JsonRpcError {
  readonly jsonrpc: "2.0";
  /** Absent when the server could not tell which request it refuses. */
  readonly id?: RequestId | undefined;
  readonly error: { readonly code: number; readonly message: string; readonly data?: unknown };
}

export type JsonRpcResponse = JsonRpcResult | JsonRpcError;
export type JsonRpcMessage = JsonRpcRequest | JsonRpcNotification | JsonRpcResponse;

export const isRequest = (message: JsonRpcMessage): message is JsonRpcRequest =>
  "method" in message && "id" in message;

export const isResponse = (message: JsonRpcMessage): message is JsonRpcResponse => !("method" in message);

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const isId = (value: unknown): value is RequestId => typeof value === "string" || typeof value === "number";

/** Whether a value has the shape of a JSON-RPC message. What is in `params` and `result` is the SDK's to check. */
export function isMessage(value: unknown): value is JsonRpcMessage {
  if (!isRecord(value) || value.jsonrpc !== "2.0") return false;
  if (typeof value.method === "string") return !("id" in value) || isId(value.id);
  if (isRecord(value.result)) return isId(value.id);
  return isRecord(value.error) && typeof value.error.message === "string";
}

/** Parses one JSON-RPC message, or a 2025-03-26 batch of them; `undefined` when the text is neither. */
export function parseMessages(text: string): readonly JsonRpcMessage[] | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (isMessage(value)) return [value];
  return Array.isArray(value) && value.every(isMessage) ? value : undefined;
}
