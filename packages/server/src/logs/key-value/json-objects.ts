import { EventStoreError } from "../../log/errors.js";
import type { JsonValue, KeyValueRecord, KeyValueWithTtl } from "./async-key-value.js";

/** Whether something that a backend gave back is a JSON object, and not what is left of a torn one. */
export function isRecord(value: unknown): value is Record<string, JsonValue> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** @throws {EventStoreError} `invalid-option` when the ttl is not a number of seconds above 0. */
export function checkTtl(ttl: number | undefined): void {
  if (ttl === undefined || ttl > 0) return;
  throw new EventStoreError("invalid-option", `ttl must be a number of seconds above 0, not ${ttl}.`);
}

/** Puts a value together with the seconds that it has left. */
export function withTtl(value: KeyValueRecord, expiresAt: number | undefined, now: number): KeyValueWithTtl {
  return { value, ttl: expiresAt === undefined ? null : Math.max(0, (expiresAt - now) / 1000) };
}
