// Gives each stream its name in the log, so that no two sessions and no two kinds of stream can ever share one.

import { EventStoreError } from "../log/errors.js";
import { MAX_STREAM_NAME_BYTES } from "../log/event-log.js";
import { percentEncode } from "./event-id.js";

/*
 * Every part of a name is percent-encoded, so no part can hold the separator, and the letter in front keeps the kinds
 * apart: whatever the names of sessions and streams, no two of them meet.
 */

/** The name in the log of a stream that belongs to no session. */
export function unscopedName(streamId: string): string {
  return checked(`u:${encode("stream", streamId)}`);
}

/** The name in the log of a session's stream. */
export function scopedName(sessionId: string, streamId: string): string {
  return checked(`s:${encode("session", sessionId)}:${encode("stream", streamId)}`);
}

/** Whether a stream of no session can have this id at all. */
export function isUnscopedName(streamId: string): boolean {
  return `u:${percentEncode(streamId)}`.length <= MAX_STREAM_NAME_BYTES;
}

/** Whether a stream of the session can have this id at all. */
export function isStreamName(sessionId: string, streamId: string): boolean {
  return `s:${percentEncode(sessionId)}:${percentEncode(streamId)}`.length <= MAX_STREAM_NAME_BYTES;
}

/** The name in the log of the stream that lists a session's streams. */
export function indexName(sessionId: string): string {
  return checked(`i:${encode("session", sessionId)}`);
}

/** The SDKs name the streams of calls by UUIDs. */
const ANY_CALL = "00000000-0000-0000-0000-000000000000";

/**
 * An empty session id is refused, since it comes from an id that was not there yet, and everybody would share it; so is
 * one that leaves no room for the names of its streams, none of whose calls could be stored.
 *
 * @throws {EventStoreError} `invalid-stream`
 */
export function checkSessionId(sessionId: string): void {
  if (typeof sessionId !== "string" || sessionId === "") {
    throw new EventStoreError(
      "invalid-stream",
      `A session id must be a string with at least one character, not ${describe(sessionId)}. ` +
        "Make the id before the transport, and let its sessionIdGenerator return it.",
    );
  }
  scopedName(sessionId, ANY_CALL);
}

function encode(what: string, id: string): string {
  if (typeof id === "string") return percentEncode(id);
  throw new EventStoreError("invalid-stream", `A ${what} id must be a string, not ${describe(id)}.`);
}

function checked(name: string): string {
  if (name.length <= MAX_STREAM_NAME_BYTES) return name;
  throw new EventStoreError(
    "invalid-stream",
    `Session and stream id may take at most ${MAX_STREAM_NAME_BYTES} bytes percent-encoded; these take ${name.length}.`,
  );
}

function describe(value: unknown): string {
  return value === "" ? "an empty one" : typeof value;
}
