// Knows which requests may be executed twice: those that only read, and tools that the server says are idempotent.
import { isRecord, isResponse, type JsonRpcMessage, type JsonRpcRequest } from "../json-rpc.js";

/** Methods that only read, or that change nothing when they run twice (MCP 2025-11-25, schema). */
const SAFE_METHODS = new Set([
  "initialize",
  "ping",
  "server/discover",
  "tools/list",
  "prompts/list",
  "prompts/get",
  "resources/list",
  "resources/templates/list",
  "resources/read",
  "resources/subscribe",
  "resources/unsubscribe",
  "completion/complete",
  "logging/setLevel",
  "tasks/get",
  "tasks/list",
  "tasks/result",
]);

/** Knows which requests may be executed twice: reads, and tools that the server annotates so in `tools/list`. */
export class Resendable {
  readonly #tools = new Map<string, boolean>();

  /** Learns from an answer that passes by. */
  learn(request: JsonRpcRequest, answer: JsonRpcMessage): void {
    if (request.method !== "tools/list" || !isResponse(answer) || !("result" in answer)) return;
    const { tools } = answer.result;
    if (!Array.isArray(tools)) return;
    for (const tool of tools as unknown[]) {
      if (!isRecord(tool) || typeof tool.name !== "string") continue;
      const annotations = isRecord(tool.annotations) ? tool.annotations : {};
      this.#tools.set(tool.name, annotations.readOnlyHint === true || annotations.idempotentHint === true);
    }
  }

  /** Whether executing the request once more does no harm, in whatever session. */
  has(request: JsonRpcRequest): boolean {
    if (SAFE_METHODS.has(request.method)) return true;
    const name = request.params?.name;
    return request.method === "tools/call" && typeof name === "string" && this.#tools.get(name) === true;
  }
}
