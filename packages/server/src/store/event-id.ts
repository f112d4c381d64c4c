import { MAX_STREAM_NAME_BYTES, type Position } from "../log/event-log.js";
import { percentDecode, percentEncode } from "./percent.js";

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
  const mark = id.unstored === undefined ? "" : `+${id.unstored.life}.${id.unstored.number}`;
  return `${id.seq}${mark}:${percentEncode(id.epoch)}:${percentEncode(id.stream)}`;
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
