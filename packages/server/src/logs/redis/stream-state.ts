import type { RetentionText } from "./retention-text.js";

/** The words of a state (see lua.ts); those from floor to retention stay as they are over an append. */
const STATE = /^(\S+) (\d+) (\d+) (\d+ (\d+) (\d+) \d (\S+ \S+ \S+ \S+)) (\S+) \d+$/;

/** What this process knows of a stream. It holds as long as nobody else changes the stream. */
export class StreamState {
  readonly epoch: string;
  /** Until when nothing but appends needs to be done, in milliseconds on the server's clock. */
  readonly due: string;
  /** The seq that the last call of this writer came to; `undefined` when it is none of the stream's last writers. */
  readonly ownHead: number | undefined;
  readonly #retention: string;
  readonly #floorBytes: number;
  readonly #fromFloorToRetention: string;
  /** The last calls of the other writers, a comma before each. */
  readonly #others: string;
  #head: number;
  #bytes: number;
  #text: string;

  /** @returns `undefined` when the text is no state. */
  static parse(text: string, writer: string): StreamState | undefined {
    const words = STATE.exec(text);
    return words === null ? undefined : new StreamState(words, writer);
  }

  private constructor(words: RegExpExecArray, writer: string) {
    const [text, epoch = "", head, bytes, middle = "", floorBytes, due = "", retention = "", writers = ""] =
      words;
    const last = writers.split(",");
    const own = last.find((each) => each.startsWith(writer))?.split(":")[2];
    this.ownHead = own === undefined ? undefined : Number(own);
    const others = last.filter((each) => !each.startsWith(writer));
    this.epoch = epoch;
    this.due = due;
    this.#retention = retention;
    this.#floorBytes = Number(floorBytes);
    this.#fromFloorToRetention = middle;
    this.#others = others.map((each) => `,${each}`).join("");
    this.#head = Number(head);
    this.#bytes = Number(bytes);
    this.#text = text;
  }

  /** All of it, as the server has it. */
  get text(): string {
    return this.#text;
  }

  /** The newest seq. */
  get head(): number {
    return this.#head;
  }

  /** Whether so many bytes can be appended without anything else to be done. */
  takes(bytes: number, retention: RetentionText): boolean {
    return retention.text === this.#retention && this.#bytes + bytes - this.#floorBytes <= retention.maxBytes;
  }

  /** The id of the next event. */
  get nextId(): string {
    return `${this.#head + 1}-${this.#bytes}`;
  }

  /** The state that so many events lead to, but for its last word, the time. */
  after(events: number, bytes: number, writer: string, call: number): string {
    const head = this.#head + events;
    return `${this.epoch} ${head} ${this.#bytes + bytes} ${this.#fromFloorToRetention} ${writer}:${call}:${head}${this.#others}`;
  }

  /** The events are stored. @param next what `after` returned for them. */
  advance(events: number, bytes: number, next: string, time: string): void {
    this.#head += events;
    this.#bytes += bytes;
    this.#text = `${next} ${time}`;
  }
}
