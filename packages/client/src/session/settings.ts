import { type JsonRpcNotification, type JsonRpcRequest, type Params, isRecord } from "../json-rpc.js";
import type { ClientRecord } from "../state/session-state.js";

/** Remembers what a request that succeeded has set for the whole session. */
export function rememberSetting(record: ClientRecord, request: JsonRpcRequest): void {
  const { level, uri } = request.params ?? {};
  if (request.method === "logging/setLevel" && typeof level === "string") record.logLevel = level;
  if (typeof uri !== "string") return;
  if (request.method === "resources/subscribe" && !record.subscriptions.includes(uri))
    record.subscriptions.push(uri);
  if (request.method === "resources/unsubscribe") {
    record.subscriptions = record.subscriptions.filter((subscribed) => subscribed !== uri);
  }
}

/** Whether a request changes something for the whole session. */
export function isSetting(request: JsonRpcRequest): boolean {
  return /^(logging\/setLevel|resources\/(un)?subscribe)$/.test(request.method);
}

/** The requests that give a new session the settings of the lost one. Their ids are the caller's to mint. */
export function settingRequests(record: ClientRecord): readonly JsonRpcRequest[] {
  const request = (method: string, params: Params): JsonRpcRequest => ({
    jsonrpc: "2.0",
    id: 0,
    method,
    params,
  });
  return [
    ...(record.logLevel === undefined ? [] : [request("logging/setLevel", { level: record.logLevel })]),
    ...record.subscriptions.map((uri) => request("resources/subscribe", { uri })),
  ];
}

/** What a new session's server would have said had its lists changed: the app's caches are of the lost one. */
export function listChanges(initializeResult: Params): readonly JsonRpcNotification[] {
  const { capabilities } = initializeResult;
  return ["tools", "prompts", "resources"]
    .filter((list) => isRecord(capabilities) && isRecord(capabilities[list]))
    .map((list) => ({ jsonrpc: "2.0", method: `notifications/${list}/list_changed` }));
}
