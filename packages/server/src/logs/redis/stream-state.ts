// Describes how Redis holds a stream: the names of its keys, and the text form of its state and retention.

import type { Retention } from "../../log/event-log.js";
import { forgetAfterMs, isSameRetention } from "../../log/retention-window.js";

/*
 * Redis Cluster places a key by what stands between the first `{` and the `}` after it. So braces are escaped, the
 * sign that escapes them too, and lone surrogates, which UTF-8 cannot hold.
 */
const ESCAPED = /[%{}]|\p{Surrogate}/gu;

/** The keys of one stream, in the same slot of a cluster. */
export interface StreamKeys {
  /** A string; {@link StreamState} lists its words. Its name is the wake-up channel too. */
  readonly state: string;
  /** A Redis Stream: the events. An entry's id is the event's seq, then the bytes of all payloads before it. */
  readonly events: string;
}

/** Where a stream lies. Different streams have different keys, whatever their names. */
export function keysOf(prefix: string, stream: string): StreamKeys {
  // Redis ignores an empty hash tag. The sign alone is never the escaped form of anything.
  const tag = stream === "" ? "%" : stream.replace(ESCAPED, escapeUnit);
  return { state: `${prefix}{${tag}}:state`, events: `${prefix}{${tag}}:events` };
}

function escapeUnit(unit: string): string {
  return `%${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** A retention as the scripts take it and keep it. */
export interface RetentionText {
  /** `maxEvents maxBytes ttl forget` in whole numbers, `-` for no limit. */
  readonly text: string;
  readonly maxEvents: string;
  /** Infinity for no limit. */
  readonly maxBytes: number;
}

/** Beyond it, a Lua number is not exact; nobody counts so far. */
const NO_LIMIT_FROM = 2 ** 53;

/** Writes retentions as text, and keeps the last one: callers pass the same one again and again. */
export class RetentionWriter {
  #last: { readonly retention: Retention; readonly written: RetentionText } | undefined;

  write(retention: Retention): RetentionText {
    if (this.#last !== undefined && isSameRetention(this.#last.retention, retention))
      return this.#last.written;
    const maxEvents = word(retention.maxEvents);
    const maxBytes = word(retention.maxBytes);
    const text = `${maxEvents} ${maxBytes} ${word(retention.ttlMs)} ${word(forgetAfterMs(retention, false))}`;
    const written = { text, maxEvents, maxBytes: maxBytes === "-" ? Infinity : Number(maxBytes) };
    // A copy, since the caller may change its own.
    this.#last = { retention: { ...retention }, written };
    return written;
  }
}

function word(limit: number | null): string {
  return limit === null || limit >= NO_LIMIT_FROM ? "-" : String(Math.floor(limit));
}

/*
 * The state of a stream is one string, so that it is compared, read and written as a whole. Its words, in order:
 *
 * - epoch
 * - head: the newest seq
 * - bytes: of all payloads ever appended
 * - floor: what is below this seq was dropped for its bytes, its age, or by an earlier retention; what the count drops
 *   follows from the head
 * - floorBytes: the payload bytes before the floor; too few once the count has dropped more
 * - due: until then, in milliseconds, the stream is not to be forgotten, and its keys live long enough
 * - ended: 1 or 0
 * - maxEvents, maxBytes, ttl, forget: the retention, `-` for no limit; `forget` is when the head goes too
 * - writers: `<writer>:<call>:<head>` for each, with commas: its last call and the seq that it came to; `-` for none
 * - at: when it was last appended to, in milliseconds
 *
 * An event is an entry of a Redis Stream. Its id is `<seq>-<payload bytes before it>`, so that it is found by its seq
 * and tells how much is kept from it on; its one field has the time of the append as its name, and the payload as its
 * value.
 */

/** The words of a state but for the last; those from floor to retention stay as they are over an append. */
const STATE = /^(\S+) (\d+) (\d+) (\d+ (\d+) (\d+) \d (\S+ \S+ \S+ \S+)) (\S+)$/;

/** What stays as it is over an append of the one who knows it. */
interface Constants {
  readonly epoch: string;
  readonly due: string;
  readonly retention: string;
  readonly floorBytes: number;
  readonly fromFloorToRetention: string;
  /** The last calls of the other writers, a comma before each. */
  readonly others: string;
}

/** What this process knows of a stream. It holds as long as nobody else changes the stream. */
export class StreamState {
  /** All of it as the server has it, but for its last word, the time of the last append. */
  readonly text: string;
  /** The newest seq. */
  readonly head: number;
  /** The seq that the last call of this writer came to; `undefined` when it is none of the stream's last writers. */
  readonly ownHead: number | undefined;
  readonly #bytes: number;
  readonly #constants: Constants;

  /** @returns `undefined` when the text is no state. */
  static parse(text: string, writer: string): StreamState | undefined {
    const words = STATE.exec(text.slice(0, text.lastIndexOf(" ")));
    if (words === null) return undefined;
    const [
      known,
      epoch = "",
      head,
      bytes,
      fromFloorToRetention = "",
      floorBytes,
      due = "",
      retention = "",
      writers = "",
    ] = words;
    const last = writers.split(",");
    const own = last.find((each) => each.startsWith(writer))?.split(":")[2];
    const others = last
      .filter((each) => !each.startsWith(writer))
      .map((each) => `,${each}`)
      .join("");
    const constants: Constants = {
      epoch,
      due,
      retention,
      floorBytes: Number(floorBytes),
      fromFloorToRetention,
      others,
    };
    const ownHead = own === undefined ? undefined : Number(own);
    return new StreamState(constants, known, Number(head), Number(bytes), ownHead);
  }

  private constructor(
    constants: Constants,
    text: string,
    head: number,
    bytes: number,
    ownHead: number | undefined,
  ) {
    this.#constants = constants;
    this.text = text;
    this.head = head;
    this.#bytes = bytes;
    this.ownHead = ownHead;
  }

  get epoch(): string {
    return this.#constants.epoch;
  }

  /** Until when nothing but appends needs to be done, in milliseconds on the server's clock. */
  get due(): string {
    return this.#constants.due;
  }

  /** The id of the next event. */
  get nextId(): string {
    return `${this.head + 1}-${this.#bytes}`;
  }

  /** Whether so many bytes can be appended without anything else to be done. */
  takes(bytes: number, { text, maxBytes }: RetentionText): boolean {
    const { retention, floorBytes } = this.#constants;
    return text === retention && this.#bytes + bytes - floorBytes <= maxBytes;
  }

  /** The state that so many events lead to, when this writer appends them with that call. */
  after(events: number, bytes: number, writer: string, call: number): StreamState {
    const constants = this.#constants;
    const { epoch, fromFloorToRetention, others } = constants;
    const head = this.head + events;
    const allBytes = this.#bytes + bytes;
    const text = `${epoch} ${head} ${allBytes} ${fromFloorToRetention} ${writer}:${call}:${head}${others}`;
    return new StreamState(constants, text, head, allBytes, head);
  }
}
