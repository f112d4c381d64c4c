// Remembers what the client has set for its whole session, so that a session that replaces it is given the same.
import { isRecord, type JsonRpcNotification, type JsonRpcRequest, type Params } from "../json-rpc.js";
import type { Saver } from "../state/saver.js";

/** The last log level that was set, and the resources that are subscribed to. */
export class Settings {
  readonly #saver: Saver;
  readonly #subscriptions: Set<string>;
  #logLevel: string | undefined;

  constructor(saver: Saver) {
    const { logLevel, subscriptions } = saver.restored;
    this.#saver = saver;
    this.#logLevel = logLevel;
    this.#subscriptions = new Set(subscriptions);
    saver.keep(() => ({ logLevel: this.#logLevel, subscriptions: [...this.#subscriptions] }));
  }

  /** Remembers what a request that succeeded has set, if it has. */
  remember(request: JsonRpcRequest): void {
    if (!isSetting(request)) return;
    const { level, uri } = request.params ?? {};
    if (request.method === "logging/setLevel" && typeof level === "string") this.#logLevel = level;
    if (request.method === "resources/subscribe" && typeof uri === "string") this.#subscriptions.add(uri);
    if (request.method === "resources/unsubscribe" && typeof uri === "string")
      this.#subscriptions.delete(uri);
    this.#saver.schedule();
  }

  /** A session that the SDK's client begins has none. */
  clear(): void {
    this.#logLevel = undefined;
    this.#subscriptions.clear();
    this.#saver.schedule();
  }

  /** The requests that give them to a new session. Their ids are the caller's to mint. */
  requests(): readonly JsonRpcRequest[] {
    const request = (method: string, params: Params): JsonRpcRequest => ({
      jsonrpc: "2.0",
      id: 0,
      method,
      params,
    });
    return [
      ...(this.#logLevel === undefined ? [] : [request("logging/setLevel", { level: this.#logLevel })]),
      ...[...this.#subscriptions].map((uri) => request("resources/subscribe", { uri })),
    ];
  }
}

/** Whether a request changes something for the whole session. */
export function isSetting(request: JsonRpcRequest): boolean {
  return /^(logging\/setLevel|resources\/(un)?subscribe)$/.test(request.method);
}

/** What a new session's server would have said had its lists changed: the app's caches are of the lost one. */
export function listChanges(initializeResult: Params): readonly JsonRpcNotification[] {
  const { capabilities } = initializeResult;
  return ["tools", "prompts", "resources"]
    .filter((list) => isRecord(capabilities) && isRecord(capabilities[list]))
    .map((list) => ({ jsonrpc: "2.0", method: `notifications/${list}/list_changed` }));
}
