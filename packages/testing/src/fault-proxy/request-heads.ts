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
