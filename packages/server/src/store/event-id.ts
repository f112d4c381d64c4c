// Writes and reads event ids, `seq:epoch:stream`, and encodes any string so that it can stand in one or in a stream's name.

import { MAX_STREAM_NAME_BYTES, type Position } from "../log/event-log.js";

/** What an event id says: a position of a stream, and how much of what was never stored came after it. */
export interface ParsedEventId extends Position {
  /** The stream's own name, without the session that it belongs to. */
  readonly stream: string;
  /** Set on a message that the log could not store and that was replayed from memory. */
  readonly unstored?: UnstoredMark;
}

/** Counts the messages that a session could not store. It means something only to the process that counted. */
export interface UnstoredMark {
  /** Minted at random per session and process: after a restart the number means nothing, and is not looked at. */
  readonly life: string;
  readonly number: number;
}

/** The longest event id that {@link parseEventId} looks at, in characters. */
export const MAX_EVENT_ID_LENGTH = MAX_STREAM_NAME_BYTES + 256;

const EVENT_ID = /^([1-9]\d{0,15})(?:\+([0-9a-z]{1,32})\.([1-9]\d{0,15}))?:([^:]{1,128}):([^:]*)$/;

/**
 * Writes an event id, `seq:epoch:stream`: opaque to clients, readable to people, visible ASCII, safe in a header.
 * Epoch and stream are percent-encoded. A message replayed from memory, which has no position of its own, has
 * `seq+life.number` in front: it comes after `seq`.
 */
export function formatEventId(id: ParsedEventId): string {
  return eventIdWriter(id.epoch, id.stream)(id.seq, id.unstored);
}

/** Writes the ids of one stream as {@link formatEventId} does, with its epoch and name encoded once for all of them. */
export function eventIdWriter(
  epoch: string,
  stream: string,
): (seq: number, unstored?: UnstoredMark) => string {
  const place = `:${percentEncode(epoch)}:${percentEncode(stream)}`;
  return (seq, unstored) =>
    unstored === undefined ? `${seq}${place}` : `${seq}+${unstored.life}.${unstored.number}${place}`;
}

/**
 * Reads what {@link formatEventId} wrote.
 *
 * @returns `undefined` for anything else: too long, malformed, or another spelling of a valid id. Never throws.
 */
export function parseEventId(text: string): ParsedEventId | undefined {
  if (typeof text !== "string" || text.length > MAX_EVENT_ID_LENGTH) return undefined;
  const [, seqText, life, numberText, epochText, streamText] = EVENT_ID.exec(text) ?? [];
  if (seqText === undefined || epochText === undefined || streamText === undefined) return undefined;
  const seq = Number(seqText);
  const epoch = percentDecode(epochText);
  const stream = percentDecode(streamText);
  if (!Number.isSafeInteger(seq) || epoch === undefined || stream === undefined) return undefined;
  if (life === undefined) return { seq, epoch, stream };
  const number = Number(numberText);
  return Number.isSafeInteger(number) ? { seq, epoch, stream, unstored: { life, number } } : undefined;
}

const LONE_SURROGATE = /(\p{Surrogate})/u;
const ESCAPED_SURROGATE = /(%u[0-9A-F]{4})/;

/**
 * Any string as visible ASCII without `:`, `+` and `/`: percent-encoded as in a URL. A lone surrogate, which UTF-8
 * cannot hold, becomes `%u` and its four digits; a percent sign itself is always `%25`, so the two never meet.
 */
export function percentEncode(text: string): string {
  if (!LONE_SURROGATE.test(text)) return encodeURIComponent(text);
  return text
    .split(LONE_SURROGATE)
    .map((part) => (LONE_SURROGATE.test(part) ? escapeSurrogate(part) : encodeURIComponent(part)))
    .join("");
}

/** @returns `undefined` for what {@link percentEncode} does not write, other spellings of the same text included. */
export function percentDecode(encoded: string): string | undefined {
  try {
    const text = encoded
      .split(ESCAPED_SURROGATE)
      .map((part) => (ESCAPED_SURROGATE.test(part) ? unescapeSurrogate(part) : decodeURIComponent(part)))
      .join("");
    return percentEncode(text) === encoded ? text : undefined;
  } catch {
    // decodeURIComponent throws URIError for what is no UTF-8.
    return undefined;
  }
}

function escapeSurrogate(unit: string): string {
  return `%u${unit.charCodeAt(0).toString(16).toUpperCase()}`;
}

function unescapeSurrogate(escaped: string): string {
  return String.fromCharCode(Number.parseInt(escaped.slice(2), 16));
}
