import type { RetentionText } from "./retention-text.js";

/** The words of a state (see lua.ts) but for the last; those from floor to retention stay as they are over an append. */
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
