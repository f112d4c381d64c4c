// Reads the heads of HTTP requests and answers as they pass, to know what a fault would hit.

/**
 * What a request is to MCP's Streamable HTTP: `post` carries messages, `get` opens the standalone stream, `resume`
 * is a GET with `Last-Event-ID`, `other` is all else (DELETE, OPTIONS, …).
 */
export type RequestKind = "post" | "get" | "resume" | "other";

export const REQUEST_KINDS: readonly RequestKind[] = ["post", "get", "resume", "other"];

export interface RequestHead {
  readonly kind: RequestKind;
  /** The request line, for example `POST /mcp HTTP/1.1`. */
  readonly line: string;
  /** The `Last-Event-ID` header of a `resume`. */
  readonly lastEventId: string | undefined;
}

/** Heads longer than this pass unread: no HTTP server takes such a one. */
export const MAX_HEAD_BYTES = 64 * 1024;

const HEAD_END = "\r\n\r\n";
const REQUEST_STARTS = ["GET ", "POST ", "DELETE ", "OPTIONS ", "PUT ", "PATCH ", "HEAD "];
const REQUEST_START = new RegExp(`^(?:${REQUEST_STARTS.join("|")})`);

/** Whether these may be the first bytes of a request, whole or in part. Other protocols pass unread. */
function mayStartRequest(chunk: Buffer): boolean {
  const text = chunk.toString("latin1", 0, 8);
  return REQUEST_STARTS.some((start) => start.startsWith(text) || text.startsWith(start));
}

function parseHead(text: string): RequestHead {
  const [line = "", ...fields] = text.split("\r\n");
  const isGet = line.startsWith("GET ");
  const lastEventId = isGet
    ? fields.find((field) => /^last-event-id:/i.test(field))?.replace(/^[^:]*:\s*/, "")
    : undefined;
  const kind = isGet
    ? lastEventId === undefined
      ? "get"
      : "resume"
    : line.startsWith("POST ")
      ? "post"
      : "other";
  return { kind, line, lastEventId };
}

/** Upstream bytes, and the request that begins with them, if one does. */
export interface Fed {
  readonly head: RequestHead | undefined;
  /** What may go on to the target now; empty while a head is incomplete. */
  readonly bytes: Buffer;
}

/**
 * Finds the head of every request on a connection, kept alive or not, and holds its bytes back until it is whole.
 * It reads no bodies: HTTP/1.1 clients do not pipeline, so a new request begins with the first bytes that follow
 * some of the previous answer. Call {@link answered} when those come.
 */
export class RequestHeads {
  #state: "head" | "body" | "answered" = "head";
  #held = Buffer.alloc(0);

  feed(chunk: Buffer): Fed {
    if (this.#state === "answered") {
      this.#state = REQUEST_START.test(chunk.toString("latin1", 0, 8)) ? "head" : "body";
    }
    if (this.#state === "head" && this.#held.length === 0 && !mayStartRequest(chunk)) this.#state = "body";
    if (this.#state === "body") return { head: undefined, bytes: chunk };
    this.#held = Buffer.concat([this.#held, chunk]);
    const end = this.#held.indexOf(HEAD_END);
    if (end < 0 && this.#held.length <= MAX_HEAD_BYTES) return { head: undefined, bytes: Buffer.alloc(0) };
    const bytes = this.#held;
    this.#held = Buffer.alloc(0);
    this.#state = "body";
    return { head: end < 0 ? undefined : parseHead(bytes.toString("latin1", 0, end)), bytes };
  }

  /** The target has begun to answer. */
  answered(): void {
    if (this.#state === "body") this.#state = "answered";
  }
}

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
