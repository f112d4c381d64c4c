// Translates the SDK's request ids and progress tokens into ids that are unique over all lives of a session, and back.
import {
  isRecord,
  isResponse,
  type JsonRpcMessage,
  type JsonRpcNotification,
  type JsonRpcRequest,
  type JsonRpcResponse,
  type Params,
  type RequestId,
} from "../json-rpc.js";

/** Progress tokens of finished calls that are still mapped, because a task's progress outlives its response. */
const MAX_TASK_TOKENS = 1000;

/** How the SDK's client knows a request. */
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

function tokenOf(params: Params | undefined): unknown {
  const meta = params?._meta;
  return isRecord(meta) ? meta.progressToken : undefined;
}

/** A request as it goes out: its progress token, if it has one, is its id on the wire. */
export function withWireId(request: JsonRpcRequest, id: string): JsonRpcRequest & { readonly id: string } {
  if (tokenOf(request.params) === undefined) return { ...request, id };
  // tokenOf() found a record there.
  const meta = request.params?._meta as Params;
  return { ...request, id, params: { ...request.params, _meta: { ...meta, progressToken: id } } };
}

/**
 * Maps the SDK's request ids and progress tokens to ids that are unique over all lives of the session, and back.
 *
 * After a reload the SDK's counter starts at 0 again, while calls with those ids may still run on the server.
 */
export class WireIds {
  readonly #life = mintLife();
  readonly #running = new Map<string, Mapping[]>();
  readonly #tokens = new Map<string, Mapping[]>();
  #next = 0;

  /** Gives a request its id on the wire. */
  outgoing(request: JsonRpcRequest): JsonRpcRequest & { readonly id: string } {
    const id = `${this.#life}-${this.#next++}`;
    this.adopt(id, request);
    return withWireId(request, id);
  }

  /** Lets a request of the SDK share in what comes under an id on the wire, of this life or of an earlier one. */
  adopt(wireId: string, request: JsonRpcRequest): void {
    const mappings = this.#running.get(wireId) ?? [];
    mappings.push({ id: request.id, progressToken: tokenOf(request.params) });
    this.#running.set(wireId, mappings);
    this.#tokens.set(wireId, mappings);
  }

  /** The id on the wire of the running request that the SDK knows as `id`. */
  wireIdOf(id: RequestId): string | undefined {
    for (const [wireId, mappings] of this.#running) {
      if (mappings.some((mapping) => mapping.id === id)) return wireId;
    }
    return undefined;
  }

  /** The SDK gives a request up. @returns whether no other one shares its id on the wire. */
  drop(wireId: string, id: RequestId): boolean {
    const mappings = this.#running.get(wireId) ?? [];
    const index = mappings.findIndex((mapping) => mapping.id === id);
    if (index >= 0) mappings.splice(index, 1);
    return mappings.length === 0;
  }

  /**
   * Restores the SDK's ids in what the server sent, and hands over one message for each request that it is for. What
   * was not mapped is left as it is.
   */
  incoming(message: JsonRpcResponse | JsonRpcNotification, hand: (message: JsonRpcMessage) => void): void {
    if (isResponse(message)) {
      const mappings = this.#running.get(String(message.id));
      if (mappings === undefined) hand(message);
      else for (const { id } of mappings) hand({ ...message, id });
      return;
    }
    const { method, params } = message;
    const isProgress = method === "notifications/progress";
    const mappings = isProgress ? this.#tokens.get(String(params?.progressToken)) : undefined;
    if (mappings === undefined) {
      hand(message);
      return;
    }
    for (const { progressToken } of mappings) {
      // Written out: to spread the message as well takes as long as to parse it.
      if (progressToken !== undefined) hand({ jsonrpc: "2.0", method, params: { ...params, progressToken } });
    }
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
