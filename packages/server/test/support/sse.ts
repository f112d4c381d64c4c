import { createParser } from "eventsource-parser";

export interface SseEvent {
  readonly id: string | undefined;
  /** `undefined` for a priming event. */
  readonly message: Record<string, unknown> | undefined;
}

/** Reads a response's event stream as a client does. */
export class SseReader {
  readonly events: SseEvent[] = [];
  /** Resolves when the server, or {@link close}, has ended the stream. */
  readonly done: Promise<void>;
  isDone = false;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #isClosed = false;

  constructor(response: Response, onEvent: (event: SseEvent) => void = () => undefined) {
    if (response.status !== 200 || response.body === null) {
      throw new Error(`expected an event stream, got ${response.status}`);
    }
    this.#reader = response.body.getReader();
    const parser = createParser({
      onEvent: ({ id, data }) => {
        if (this.#isClosed) return;
        const message = data === "" ? undefined : (JSON.parse(data) as Record<string, unknown>);
        const event = { id, message };
        this.events.push(event);
        onEvent(event);
      },
    });
    this.done = this.#read(parser);
    // A connection that breaks when nobody waits for its end any more is no failure of the test.
    this.done.catch(() => undefined);
  }

  /** The id of the last event that has one. */
  get lastEventId(): string {
    const id = this.events.findLast((event) => event.id !== undefined)?.id;
    if (id === undefined) throw new Error("no event with an id has come");
    return id;
  }

  get messages(): Record<string, unknown>[] {
    return this.events.flatMap(({ message }) => (message === undefined ? [] : [message]));
  }

  /** What a client does whose connection dies: nothing that comes later is seen. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#reader.cancel();
  }

  /** What a half-open connection does: nothing more arrives, and the server is not told. */
  abandon(): void {
    this.#isClosed = true;
  }

  async #read(parser: ReturnType<typeof createParser>): Promise<void> {
    const decoder = new TextDecoder();
    for (;;) {
      const { done, value } = await this.#reader.read();
      if (done) break;
      parser.feed(decoder.decode(value, { stream: true }));
    }
    this.isDone = true;
  }
}
