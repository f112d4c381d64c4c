// Runs one connection of a stream: sends the request or asks to resume, reads the events, and says how it ended.
import { type Ended, MAX_RETRY_MS } from "./backoff.js";
import type { Outcome } from "./classify.js";
import { ResumeError } from "../errors.js";
import { isRequest, parseMessages } from "../json-rpc.js";
import { openStream } from "./http.js";
import { readEvents } from "./read-events.js";
import type { Link, StreamTask } from "./task.js";

/** A connection that lasted this long counts as progress, in milliseconds: proxies end silent streams now and then. */
const LASTING_MS = 30_000;

/**
 * A server that asks for a pause of at least this many milliseconds and then closes a stream wants to be polled
 * (SEP-1699): at its own pace, and for as long as it likes.
 */
const POLL_MS = 500;

/** What one connection of a stream came to. */
export interface Connection extends Ended {
  readonly retryAfterMs?: number | undefined;
  readonly detail?: string;
  readonly cause?: unknown;
}

/**
 * Opens one connection of a stream and reads it to its end. A stream with a cursor and the standalone stream are
 * requested with GET; otherwise the request itself is sent.
 *
 * @param onLive - called when the server has begun an event stream
 * @throws `signal.reason` when aborted. What a network or a server does is returned, not thrown.
 */
export async function runConnection(
  task: StreamTask,
  link: Link,
  signal: AbortSignal,
  onLive: () => void,
): Promise<Connection> {
  const { cursor, request: message, session } = task;
  const isPost = message !== undefined && cursor.eventId === undefined;
  const opened = await openStream(
    link,
    session,
    isPost ? { method: "POST", message } : { method: "GET", lastEventId: cursor.eventId },
    signal,
  );
  const shut = { heard: false, progressed: false };
  if (opened.kind === "events" || opened.kind === "json") session.id ??= opened.sessionId;
  if (isPost && !isRequest(message)) {
    if (opened.kind === "events") void opened.body.cancel().catch(() => undefined);
    // Some servers answer a notification with 200 instead of 202, and with any content; a captive portal with a page.
    const isPage = opened.kind === "unreadable" && /html/i.test(opened.contentType ?? "");
    if (opened.kind !== "refused" && opened.kind !== "unreachable" && !isPage)
      return { ...shut, outcome: { kind: "answered" } };
  }
  switch (opened.kind) {
    case "refused": {
      const { cause, retryAfterMs, status } = opened;
      return { ...shut, outcome: opened, retryAfterMs, cause, detail: `HTTP status ${status}` };
    }
    case "unreachable":
      return { ...shut, outcome: opened, cause: opened.cause, detail: "no answer" };
    case "unreadable":
      return { ...shut, outcome: opened, detail: `content type ${opened.contentType ?? "none"}` };
    case "accepted":
      return { ...shut, outcome: { kind: "unreadable" }, detail: "an answer without a body" };
    case "json":
      if (await task.take(opened.messages)) return { ...shut, outcome: { kind: "answered" } };
      return { ...shut, outcome: { kind: "violated" }, detail: "JSON that does not answer the request" };
    case "events":
      onLive();
      return readStream(task, link, opened.body, signal);
  }
}

async function readStream(
  task: StreamTask,
  link: Link,
  body: ReadableStream<Uint8Array>,
  signal: AbortSignal,
): Promise<Connection> {
  const { cursor } = task;
  const openedAt = Date.now();
  let answered = false;
  let heard = false;
  let progressed = false;
  const connection = (outcome: Outcome, cause?: unknown): Connection => ({
    outcome,
    heard,
    progressed: progressed || Date.now() - openedAt >= LASTING_MS,
    detail: "a connection that broke",
    cause,
  });
  const isAnswered = (): boolean => answered;
  try {
    await readEvents(
      body,
      {
        silenceMs: link.silenceMs,
        maxEventLength: link.maxMessageLength,
        // A stream with a cursor loses nothing when silence is mistaken for death. Others are watched only if they can
        // be opened again, and only where the server is known to send keep-alives.
        isWatched: (hasRhythm) =>
          cursor.eventId !== undefined || (hasRhythm && (task.request === undefined || task.isResendable())),
        wantsMore: () => !isAnswered(),
        onRetry(ms) {
          if (ms > MAX_RETRY_MS && cursor.retryMs !== MAX_RETRY_MS) {
            const text = `The server asks for a pause of ${ms} ms before a resume; the client waits ${MAX_RETRY_MS} ms`;
            link.onError(new ResumeError("protocol", text));
          }
          cursor.retryMs = Math.min(ms, MAX_RETRY_MS);
        },
        onEvent({ data, event, id }) {
          const before = cursor.eventId;
          const isMessage = data !== "" && (event === undefined || event === "message");
          if (!cursor.advance(id, isMessage)) return undefined;
          heard ||= isMessage || cursor.eventId !== before;
          const messages = isMessage ? parseMessages(data) : [];
          if (messages === undefined) {
            link.onError(
              new ResumeError("protocol", "The server sent an event that is not JSON-RPC; it was left out"),
            );
          } else if (messages.length > 0) progressed = true;
          const taken = task.take(messages ?? []);
          if (typeof taken !== "boolean") return taken.then((isLast) => void (answered = isLast));
          answered = taken;
          return undefined;
        },
      },
      signal,
    );
    progressed ||= (cursor.retryMs ?? 0) >= POLL_MS;
    return connection(isAnswered() ? { kind: "answered" } : { kind: "ended" });
  } catch (cause) {
    // The connection may be given up while the answer is handed over.
    if (isAnswered()) return connection({ kind: "answered" });
    signal.throwIfAborted();
    return connection({ kind: cause instanceof ResumeError ? "violated" : "ended" }, cause);
  }
}
