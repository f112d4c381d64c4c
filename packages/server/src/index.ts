export { EventStoreError } from "./errors.js";
export type { EventLog, LogEntry, LogPage, Position, Retention } from "./event-log.js";
export { DEFAULT_MAX_PAYLOAD_BYTES, MAX_STREAM_NAME_BYTES } from "./event-log.js";
export { memoryLog } from "./logs/memory.js";
export type { MemoryLogOptions } from "./logs/memory.js";
