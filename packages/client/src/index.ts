// Exports what an app imports from the package's root: the transport, its options, the memory store and the error.

export { ResumeError, type ResumeErrorCode, type ResumeErrorOptions } from "./errors.js";
export type { StreamName, TransportEventMap, TransportStatus } from "./events.js";
export type { InterruptedCall } from "./calls/handover.js";
export type {
  JsonRpcMessage,
  JsonRpcNotification,
  JsonRpcRequest,
  JsonRpcResponse,
  Params,
  RequestId,
} from "./json-rpc.js";
export { type AuthProvider, NO_TIMEOUT, type ResumableTransportOptions } from "./options.js";
export type { Slot, StateScope, StateStore } from "./state/state-store.js";
export { memoryStore, type MemoryStoreOptions } from "./stores/memory.js";
export { ResumableTransport } from "./transport.js";
