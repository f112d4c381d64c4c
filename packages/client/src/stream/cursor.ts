// Knows how far one stream was read, and which of its last events came before.

/** An event id that can be sent back: no control characters, and no space that a header would lose. */
const SENDABLE = /^[\x21-\x7e\x80-\uffff](?:[\x20-\x7e\x80-\uffff]*[\x21-\x7e\x80-\uffff])?$/;

const MAX_ID_LENGTH = 4096;
/** How many ids are remembered: at least this many, and at most twice as many. */
const REMEMBERED_IDS = 512;

/**
 * How far a stream was read. It belongs to the stream, not to a connection: a resumed connection that dies before
 * its first event must not lose it.
 */
export class StreamCursor {
  #seen = new Set<string>();
  /** The ids before those. Two sets take turns, because deleting one id for each new one takes longer. */
  #seenBefore = new Set<string>();
  #eventId: string | undefined;
  /** The stream's last `retry:`, in milliseconds. */
  retryMs: number | undefined;
  /** When the last event came, in milliseconds since the epoch; 0 before the first. */
  heardAt = 0;

  constructor(eventId?: string, retryMs?: number) {
    this.retryMs = retryMs;
    this.advance(eventId, false);
  }

  /** What `Last-Event-ID` will say; `undefined` when the stream cannot be resumed. */
  get eventId(): string | undefined {
    return this.#eventId;
  }

  /**
   * Moves to the event that was read.
   *
   * An empty id clears the cursor (WHATWG HTML, server-sent events, `id` field). So does one that cannot be sent
   * back, or is longer than 4096 characters: a resume from an earlier position would bring its message twice.
   *
   * @param isMessage - whether the event carries a message. One that does not may share its id with one that does:
   *   the official Rust SDK primes a stream with the id of its first message.
   * @returns whether the event is new. A message that came before, under the same id, is not; nor does it move the
   *   cursor.
   */
  advance(eventId: string | undefined, isMessage: boolean): boolean {
    this.heardAt = Date.now();
    if (eventId === undefined) return true;
    const isCursor = eventId.length <= MAX_ID_LENGTH && SENDABLE.test(eventId);
    const kept = isCursor ? detached(eventId) : undefined;
    if (kept !== undefined && isMessage && !this.#remember(kept)) return false;
    this.#eventId = kept;
    return true;
  }

  /** Gives up the position: the server no longer knows it. */
  reset(): void {
    this.#eventId = undefined;
    this.#seen.clear();
    this.#seenBefore.clear();
  }

  /** @returns whether it was not remembered already. Runs for each message: a set's size tells what `has()` would. */
  #remember(eventId: string): boolean {
    const { size } = this.#seen;
    this.#seen.add(eventId);
    if (this.#seen.size === size || this.#seenBefore.has(eventId)) return false;
    if (size + 1 < REMEMBERED_IDS) return true;
    this.#seenBefore = this.#seen;
    this.#seen = new Set();
    return true;
  }
}

/**
 * The same text, which keeps nothing else in memory. Engines make a part of a string a reference into it, so that each
 * id that is remembered would keep the whole chunk that it came in, and there are hundreds of them.
 */
function detached(text: string): string {
  return ` ${text}`.slice(1);
}
