export { EventStoreError } from "./errors.js";
export type { EventLog, LogEntry, LogPage, Position, Retention } from "./event-log.js";
export { DEFAULT_MAX_PAYLOAD_BYTES, MAX_STREAM_NAME_BYTES } from "./event-log.js";
export { memoryLog } from "./logs/memory.js";
export type { MemoryLogOptions } from "./logs/memory.js";
export { formatEventId, MAX_EVENT_ID_LENGTH, parseEventId } from "./event-id.js";
export type { ParsedEventId, UnstoredMark } from "./event-id.js";
export { EventStore } from "./event-store.js";
export { GAP_METHOD } from "./messages.js";
export type { Gap, GapNotification, JsonRpcMessage, MessageKind } from "./messages.js";
export type { Observe, StoreObservation, StreamReference } from "./observation.js";
export type { EventStoreOptions } from "./options.js";
export type { ReplayOutcome, UnknownReason } from "./outcome.js";
export type { Send } from "./replay.js";
export type { SessionEventStore } from "./session-event-store.js";
export type {
  AsyncKeyValue,
  JsonValue,
  KeyValueEntry,
  KeyValueOptions,
  KeyValuePutOptions,
  KeyValueRecord,
  KeyValueWithTtl,
} from "./key-value/async-key-value.js";
export { memoryKeyValue } from "./key-value/memory.js";
export type { MemoryKeyValueOptions } from "./key-value/memory.js";
export { keyValueLog } from "./logs/key-value.js";
export type { KeyValueLogOptions } from "./logs/key-value.js";
