export { ResumeError, type ResumeErrorCode, type ResumeErrorOptions } from "./errors.js";
export type { StreamName, TransportEventMap, TransportStatus } from "./events.js";
export type { InterruptedCall } from "./calls/interrupted.js";
export type {
  JsonRpcMessage,
  JsonRpcNotification,
  JsonRpcRequest,
  JsonRpcResponse,
  Params,
  RequestId,
} from "./json-rpc.js";
export type { AuthProvider } from "./stream/credentials.js";
export type { ResumableTransportOptions } from "./options.js";
export type { Slot, StateScope, StateStore } from "./state/state-store.js";
export { NO_TIMEOUT } from "./no-timeout.js";
export { memoryStore, type MemoryStoreOptions } from "./stores/memory.js";
export { ResumableTransport } from "./transport.js";
