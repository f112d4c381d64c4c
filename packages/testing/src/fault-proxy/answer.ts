import { MAX_HEAD_BYTES } from "./request-heads.js";

/**
 * How far an answer has come down to the client: nothing of it, some of its head, its head and some of its body, or
 * all of it.
 */
export type AnswerProgress = "none" | "head" | "body" | "complete";

type Body =
  | { readonly framing: "counted"; readonly bytes: number }
  | { readonly framing: "chunked" }
  | { readonly framing: "until-close" };

function bodyOf(head: string): Body {
  const length = /\r\ncontent-length:\s*(\d+)/i.exec(head)?.[1];
  if (/^HTTP\/1\.[01] (?:204|304)/.test(head)) return { framing: "counted", bytes: 0 };
  if (length !== undefined) return { framing: "counted", bytes: Number(length) };
  return { framing: /\r\ntransfer-encoding:\s*chunked/i.test(head) ? "chunked" : "until-close" };
}

const LAST_CHUNK = "\r\n0\r\n\r\n";

/**
 * Follows one answer on its way down, just closely enough to tell a stream cut in the middle from a connection that
 * idles after a whole answer: it reads the head, counts the body, and looks for the last chunk at the end of what
 * has passed, without taking chunks apart.
 */
export class Answer {
  #head = "";
  #body: Body | undefined;
  #bodyBytes = 0;
  #tail = "";
  #bytes = 0;

  /** Bytes of the answer, its head included, that have gone down. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether the answer is an event stream; false as long as its head is incomplete. */
  get isStream(): boolean {
    return this.#body !== undefined && /\r\ncontent-type:\s*text\/event-stream/i.test(this.#head);
  }

  get progress(): AnswerProgress {
    if (this.#bytes === 0) return "none";
    if (this.#body === undefined) return "head";
    if (this.#body.framing === "counted" && this.#bodyBytes >= this.#body.bytes) return "complete";
    if (this.#body.framing === "chunked" && this.#tail.endsWith(LAST_CHUNK)) return "complete";
    return this.#bodyBytes === 0 ? "head" : "body";
  }

  passed(piece: Buffer): void {
    this.#bytes += piece.length;
    if (this.#body !== undefined) {
      this.#passedBody(piece.toString("latin1"));
      return;
    }
    if (this.#head.length > MAX_HEAD_BYTES) return;
    this.#head += piece.toString("latin1");
    const end = this.#head.indexOf("\r\n\r\n");
    if (end < 0) return;
    const rest = this.#head.slice(end + 4);
    this.#head = this.#head.slice(0, end + 2);
    if (/^HTTP\/1\.1 1\d\d/.test(this.#head)) {
      // An interim answer (100 Continue): the real head follows.
      this.#head = "";
      this.#bytes = 0;
      if (rest !== "") this.passed(Buffer.from(rest, "latin1"));
      return;
    }
    this.#body = bodyOf(this.#head);
    // The blank line ends the head and opens the body: a first chunk of size 0 is a last chunk too.
    this.#tail = "\r\n";
    this.#passedBody(rest);
  }

  #passedBody(text: string): void {
    this.#bodyBytes += text.length;
    this.#tail = (this.#tail + text.slice(-LAST_CHUNK.length)).slice(-LAST_CHUNK.length);
  }
}
