import {
  isRecord,
  isResponse,
  type JsonRpcMessage,
  type JsonRpcRequest,
  type RequestId,
} from "./json-rpc.js";

/** Progress tokens of finished calls that are still mapped, because a task's progress outlives its response. */
const MAX_TASK_TOKENS = 1000;

interface Mapping {
  readonly id: RequestId;
  readonly progressToken: unknown;
}

/** 48 random bits: two lives of one session must not mint the same ids. */
function mintLife(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(6)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");
}

/**
 * Maps the SDK's request ids and progress tokens to ids that are unique over all lives of the session, and back.
 *
 * After a reload the SDK's counter starts at 0 again, while calls with those ids may still run on the server.
 */
export class WireIds {
  readonly #life = mintLife();
  readonly #running = new Map<string, Mapping>();
  readonly #tokens = new Map<string, Mapping>();
  #next = 0;

  /** Gives a request its id on the wire; its progress token, if any, becomes the same. */
  outgoing(request: JsonRpcRequest): JsonRpcRequest & { readonly id: string } {
    const id = `${this.#life}-${this.#next++}`;
    const meta = request.params?._meta;
    const progressToken = isRecord(meta) ? meta.progressToken : undefined;
    const mapping = { id: request.id, progressToken };
    this.#running.set(id, mapping);
    if (progressToken === undefined) return { ...request, id };
    this.#tokens.set(id, mapping);
    return {
      ...request,
      id,
      params: { ...request.params, _meta: { ...(meta as object), progressToken: id } },
    };
  }

  /** Maps calls of an earlier life to a request of this one. */
  adopt(wireId: string, request: JsonRpcRequest): void {
    const meta = request.params?._meta;
    const mapping = { id: request.id, progressToken: isRecord(meta) ? meta.progressToken : undefined };
    this.#running.set(wireId, mapping);
    this.#tokens.set(wireId, mapping);
  }

  /** The id on the wire of the running request that the SDK knows as `id`. */
  wireIdOf(id: RequestId): string | undefined {
    for (const [wireId, mapping] of this.#running) if (mapping.id === id) return wireId;
    return undefined;
  }

  /** Restores the SDK's ids in what the server sent; what was not mapped is left as it is. */
  incoming(message: JsonRpcMessage): JsonRpcMessage {
    if (isResponse(message)) {
      const mapping = typeof message.id === "string" ? this.#running.get(message.id) : undefined;
      return mapping === undefined ? message : { ...message, id: mapping.id };
    }
    const token = message.method === "notifications/progress" ? message.params?.progressToken : undefined;
    const mapping = typeof token === "string" ? this.#tokens.get(token) : undefined;
    if (mapping?.progressToken === undefined) return message;
    return { ...message, params: { ...message.params, progressToken: mapping.progressToken } };
  }

  /** The request is over. `isTask`: its progress goes on after the response (MCP 2025-11-25, Tasks). */
  release(wireId: string, isTask: boolean): void {
    this.#running.delete(wireId);
    if (!isTask) this.#tokens.delete(wireId);
    if (this.#tokens.size - this.#running.size <= MAX_TASK_TOKENS) return;
    for (const token of this.#tokens.keys()) {
      if (this.#running.has(token)) continue;
      this.#tokens.delete(token);
      return;
    }
  }
}
