import type { SqliteValue } from "./database.js";

/*
 * A payload is stored as text, so that a person with the `sqlite3` shell can read it. One with a NUL character is
 * stored as its bytes: `libsql` cuts text off there.
 */
export function encodePayload(payload: string): SqliteValue {
  return payload.includes("\0") ? new TextEncoder().encode(payload) : payload;
}

export function decodePayload(value: unknown): string {
  if (typeof value === "string") return value;
  if (value instanceof Uint8Array) return new TextDecoder("utf-8", { ignoreBOM: true }).decode(value);
  throw new TypeError(`A stored payload must be text or bytes, not ${typeof value}.`);
}
