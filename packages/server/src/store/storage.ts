import { EventStoreError } from "../log/errors.js";
import type { EventLog } from "../log/event-log.js";
import type { AsyncKeyValue } from "../logs/key-value/async-key-value.js";
import { keyValueLog } from "../logs/key-value/key-value-log.js";

/** A log itself, or a log over a key-value store. @throws {EventStoreError} `invalid-option` */
export function logOf(storage: EventLog | AsyncKeyValue): EventLog {
  if (isLog(storage)) return storage;
  if (isKeyValue(storage)) return keyValueLog(storage);
  throw new EventStoreError(
    "invalid-option",
    "storage must be an EventLog (append, read, subscribe, …) or an AsyncKeyValue (get, put, …); it has neither " +
      "append and subscribe nor get and put.",
  );
}

/** The two have no method in common but `delete`. */
export function isLog(storage: EventLog | AsyncKeyValue): storage is EventLog {
  return hasMethod(storage, "append") && hasMethod(storage, "subscribe") && hasMethod(storage, "read");
}

function isKeyValue(storage: unknown): storage is AsyncKeyValue {
  return hasMethod(storage, "get") && hasMethod(storage, "put");
}

function hasMethod(value: unknown, name: string): boolean {
  if (typeof value !== "object" || value === null) return false;
  return typeof Reflect.get(value, name) === "function";
}
