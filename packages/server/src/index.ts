// Exports the event store, and the logs that need no client of their own, as `@resumable-mcp/server`.

export { EventStoreError } from "./log/errors.js";
export type { EventLog, LogEntry, LogPage, Position, Retention } from "./log/event-log.js";
export { DEFAULT_MAX_PAYLOAD_BYTES, MAX_STREAM_NAME_BYTES } from "./log/event-log.js";
export { memoryLog } from "./logs/memory.js";
export type { MemoryLogOptions } from "./logs/memory.js";
export { formatEventId, MAX_EVENT_ID_LENGTH, parseEventId } from "./store/event-id.js";
export type { ParsedEventId, UnstoredMark } from "./store/event-id.js";
export { EventStore } from "./sdk/event-store.js";
export { GAP_METHOD } from "./store/messages.js";
export type { Gap, GapNotification, JsonRpcMessage, MessageKind } from "./store/messages.js";
export type { Observe, StoreObservation, StreamReference } from "./store/observation.js";
export type { EventStoreOptions } from "./store/options.js";
export type { ReplayOutcome, UnknownReason } from "./store/resume-verdict.js";
export type { Send } from "./sdk/resume.js";
export type { SessionEventStore } from "./sdk/session-event-store.js";
export type {
  AsyncKeyValue,
  JsonValue,
  KeyValueEntry,
  KeyValueOptions,
  KeyValuePutOptions,
  KeyValueRecord,
  KeyValueWithTtl,
} from "./logs/key-value/async-key-value.js";
export { memoryKeyValue } from "./logs/key-value/memory-key-value.js";
export type { MemoryKeyValueOptions } from "./logs/key-value/memory-key-value.js";
export { keyValueLog } from "./logs/key-value/key-value-log.js";
export type { KeyValueLogOptions } from "./logs/key-value/key-value-log.js";
