import type { JsonRpcMessage } from "../../src/store/messages.js";

/** A notification that can be told from others. */
export function numbered(number: number): { jsonrpc: "2.0"; method: string; params: { number: number } } {
  return { jsonrpc: "2.0", method: "notifications/numbered", params: { number } };
}

export function answer(id: number): { jsonrpc: "2.0"; id: number; result: { done: boolean } } {
  return { jsonrpc: "2.0", id, result: { done: true } };
}

export function failure(id: number): {
  jsonrpc: "2.0";
  id: number;
  error: { code: number; message: string };
} {
  return { jsonrpc: "2.0", id, error: { code: -32000, message: "it went wrong" } };
}

export interface Received {
  readonly id: string;
  readonly message: JsonRpcMessage;
}

/** Collects what a replay sends. */
export function collector(): {
  readonly received: Received[];
  readonly send: (id: string, message: JsonRpcMessage) => Promise<void>;
} {
  const received: Received[] = [];
  return {
    received,
    send: (id, message) => {
      received.push({ id, message });
      return Promise.resolve();
    },
  };
}

export function messagesOf(received: readonly Received[]): JsonRpcMessage[] {
  return received.map(({ message }) => message);
}
