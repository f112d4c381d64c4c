/** An event id that cannot be sent back in a header is no cursor. */
const HEADER_SAFE = /^[\x21-\x7e\x80-\xff](?:[\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?$/;

const MAX_ID_LENGTH = 4096;
const REMEMBERED_IDS = 512;

/**
 * How far a stream was read. It belongs to the stream, not to a connection: a resumed connection that dies before
 * its first event must not lose it.
 */
export class StreamCursor {
  readonly #seen = new Set<string>();
  #eventId: string | undefined;
  /** The stream's last `retry:`, in milliseconds. */
  retryMs: number | undefined;

  constructor(eventId?: string, retryMs?: number) {
    this.#eventId = eventId;
    this.retryMs = retryMs;
  }

  /** What `Last-Event-ID` will say; `undefined` when the stream cannot be resumed. */
  get eventId(): string | undefined {
    return this.#eventId;
  }

  /**
   * Moves to the event that was read.
   *
   * An empty id clears the cursor (WHATWG HTML, server-sent events, `id` field). An id that no header can carry
   * leaves it where it is; what comes again after a resume is recognised by its id.
   *
   * @returns whether the event is new. One that came before, under the same id, is not.
   */
  advance(eventId: string | undefined): boolean {
    if (eventId === undefined) return true;
    if (eventId === "") {
      this.#eventId = undefined;
      return true;
    }
    if (this.#seen.has(eventId)) return false;
    if (eventId.length > MAX_ID_LENGTH) return true;
    this.#remember(eventId);
    if (HEADER_SAFE.test(eventId)) this.#eventId = eventId;
    return true;
  }

  /** Gives up the position: the server no longer knows it. */
  reset(): void {
    this.#eventId = undefined;
    this.#seen.clear();
  }

  #remember(eventId: string): void {
    this.#seen.add(eventId);
    if (this.#seen.size <= REMEMBERED_IDS) return;
    const [oldest] = this.#seen;
    if (oldest !== undefined) this.#seen.delete(oldest);
  }
}
