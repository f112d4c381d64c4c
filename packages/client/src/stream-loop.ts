import { backoff, MAX_RETRY_MS } from "./backoff.js";
import { classify, classifyPing, type Outcome, type Verdict } from "./classify.js";
import { ResumeError, type ResumeErrorCode } from "./errors.js";
import { isRequest, type JsonRpcMessage, parseMessages } from "./json-rpc.js";
import { type HttpOptions, openStream, type SessionRef } from "./open-stream.js";
import { readEvents } from "./read-events.js";
import { sleep } from "./sleep.js";
import type { StreamCursor } from "./stream-cursor.js";
import type { Wake } from "./wake.js";

/** One stream of a session: the answer to a request, or the standalone stream. */
export interface StreamTask {
  readonly session: SessionRef;
  /**
   * The message that opens the stream, with its id on the wire; `undefined` for the standalone stream. A
   * notification or an answer is done as soon as the server accepted it.
   */
  readonly request: JsonRpcMessage | undefined;
  readonly cursor: StreamCursor;
  /** Whether executing the request again does no harm. */
  readonly isResendable: () => boolean;
  /**
   * Takes what one event carried (nothing, for a priming event), after the cursor moved past it.
   *
   * @returns whether the final response was among it.
   */
  readonly take: (messages: readonly JsonRpcMessage[]) => Promise<boolean> | boolean;
}

/** How a stream is doing, for the app to show. */
export type StreamStatus =
  | { readonly state: "live" }
  | { readonly state: "offline" }
  | {
      readonly state: "waiting";
      /** How often it was tried without progress, this time included. */
      readonly attempt: number;
      /** When the next attempt is due, in milliseconds since the epoch. */
      readonly retryAt: number;
    };

/** What a stream needs from the transport. */
export interface Link {
  readonly http: HttpOptions;
  readonly wake: Wake;
  readonly random: () => number;
  readonly maxElapsedMs: number;
  readonly silenceMs: number;
  /** The HTTP status of a `ping` in the session. */
  readonly ping: (session: SessionRef, signal: AbortSignal) => Promise<number>;
  /** `undefined` when the stream is over. */
  readonly onStatus: (task: StreamTask, status: StreamStatus | undefined) => void;
  readonly onResumed: (task: StreamTask, attempts: number, downMs: number) => void;
  /** Messages were lost for good; how many is not known. */
  readonly onGap: (task: StreamTask) => void;
  readonly onError: (error: ResumeError) => void;
}

/** How long an offline device waits before it tries all the same: `navigator.onLine` is a hint. */
const OFFLINE_PROBE_MS = 30_000;

/** A connection that lived so long is progress too: a silent stream that a proxy ends now and then is no storm. */
const LASTING_MS = 30_000;

/** What one connection came to. */
interface Connection {
  readonly outcome: Outcome;
  readonly progressed: boolean;
  readonly retryAfterMs?: number | undefined;
  readonly detail?: string;
  readonly cause?: unknown;
}

/**
 * Keeps one stream going, over as many connections as it takes, until its final response was taken. The standalone
 * stream goes on until the signal is aborted or the server says that it offers none.
 *
 * @throws {ResumeError} when the stream cannot go on; `signal.reason` when aborted.
 */
export async function runStream(task: StreamTask, link: Link, signal: AbortSignal): Promise<void> {
  try {
    await loop(task, link, signal);
  } finally {
    link.onStatus(task, undefined);
  }
}

async function loop(task: StreamTask, link: Link, signal: AbortSignal): Promise<void> {
  const listening = task.request === undefined;
  let attempt = 0;
  let unreadable = 0;
  let deadMs = 0;
  let brokenSince: number | undefined;
  // Whether messages may have been sent on the standalone stream while nobody could receive them.
  let mayHaveMissed = false;
  for (;;) {
    await untilOnline(task, link, signal);
    const method = listening || task.cursor.eventId !== undefined ? "GET" : "POST";
    const connection = await connect(task, link, method, signal, () => {
      link.onStatus(task, { state: "live" });
      if (brokenSince !== undefined) link.onResumed(task, attempt, Date.now() - brokenSince);
      if (mayHaveMissed && task.cursor.eventId === undefined) link.onGap(task);
      mayHaveMissed = listening;
      brokenSince = undefined;
    });
    if (connection.progressed) attempt = deadMs = 0;
    unreadable = connection.outcome.kind === "unreadable" ? unreadable + 1 : 0;
    const hasCursor = task.cursor.eventId !== undefined;
    const facts = {
      method,
      listening,
      hasCursor,
      hasSession: task.session.id !== undefined,
      resendable: task.isResendable(),
      unreadable,
    } as const;
    // Of a standalone stream the SDK's server says so while it still believes in a dead connection.
    if (listening && connection.outcome.kind === "refused" && connection.outcome.status === 409)
      mayHaveMissed = true;
    let verdict = classify(connection.outcome, facts);
    if (verdict.kind === "ask") verdict = classifyPing(await link.ping(task.session, signal), method);
    if (verdict.kind === "done" || verdict.kind === "stop") return;
    if (verdict.kind === "fail") {
      if (!listening || verdict.code !== "cursor-lost") throw failure(verdict, connection, link);
      // The standalone stream goes on from now; only what was missed is lost.
      task.cursor.reset();
      mayHaveMissed = true;
    }
    if (deadMs >= link.maxElapsedMs) {
      throw failure({ kind: "fail", code: "gave-up", maybeExecuted: method === "GET" }, connection, link);
    }
    if (unreadable === 1)
      link.onError(failure({ kind: "fail", code: "not-sse", maybeExecuted: false }, connection, link));
    brokenSince ??= Date.now();
    deadMs += await pause(task, link, { attempt, retryAfterMs: connection.retryAfterMs }, signal);
    attempt += 1;
  }
}

/** Waits for the next attempt. @returns how much of that time counts against the budget, in milliseconds. */
async function pause(
  task: StreamTask,
  link: Link,
  after: { readonly attempt: number; readonly retryAfterMs: number | undefined },
  signal: AbortSignal,
): Promise<number> {
  const startedAt = Date.now();
  const { retryMs } = task.cursor;
  if (retryMs !== undefined && retryMs > MAX_RETRY_MS) {
    link.onError(
      new ResumeError("protocol", `The server asks to wait ${retryMs} ms; ${MAX_RETRY_MS} ms is waited`),
    );
  }
  const { delayMs, wakeable } = backoff({ ...after, retryMs, random: link.random() });
  link.onStatus(task, { state: "waiting", attempt: after.attempt + 1, retryAt: startedAt + delayMs });
  await sleep(delayMs, signal, wakeable ? link.wake.subscribe : undefined);
  return Date.now() - startedAt;
}

/** Sends nothing into a network that is said to be down: a request that fails there may look executed. */
async function untilOnline(task: StreamTask, link: Link, signal: AbortSignal): Promise<void> {
  if (!link.wake.isOffline()) return;
  link.onStatus(task, { state: "offline" });
  await sleep(OFFLINE_PROBE_MS, signal, link.wake.subscribe);
}

async function connect(
  task: StreamTask,
  link: Link,
  method: "POST" | "GET",
  signal: AbortSignal,
  onLive: () => void,
): Promise<Connection> {
  const startedAt = Date.now();
  const request =
    method === "POST" && task.request !== undefined
      ? ({ method, message: task.request } as const)
      : ({ method: "GET", lastEventId: task.cursor.eventId } as const);
  const opened = await openStream(link.http, task.session, request, signal);
  const shut = { progressed: false };
  const isDone = request.method === "POST" && !isRequest(request.message);
  if (isDone && (opened.kind === "events" || opened.kind === "json" || opened.kind === "accepted")) {
    if (opened.kind === "events") void opened.body.cancel().catch(() => undefined);
    return { ...shut, outcome: { kind: "answered" } };
  }
  switch (opened.kind) {
    case "refused":
      return {
        ...shut,
        outcome: opened,
        retryAfterMs: opened.retryAfterMs,
        detail: `HTTP status ${opened.status}`,
      };
    case "unreachable":
      return {
        ...shut,
        outcome: opened,
        cause: opened.cause,
        detail: `no answer for ${Date.now() - startedAt} ms`,
      };
    case "unreadable":
      return { ...shut, outcome: opened, detail: `an answer of content type ${opened.contentType}` };
    case "accepted":
      return { ...shut, outcome: { kind: "ended" }, detail: "an answer without a body" };
    case "json":
      task.session.id ??= opened.sessionId;
      return { ...shut, outcome: { kind: (await task.take(opened.messages)) ? "answered" : "ended" } };
    case "events":
      task.session.id ??= opened.sessionId;
      onLive();
      return follow(task, link, opened.body, signal);
  }
}

/** Reads an open connection to its end. */
async function follow(
  task: StreamTask,
  link: Link,
  body: ReadableStream<Uint8Array>,
  signal: AbortSignal,
): Promise<Connection> {
  const openedAt = Date.now();
  let answered = false;
  let progressed = false;
  const isAnswered = (): boolean => answered;
  const connection = (kind: "answered" | "ended" | "violated", cause?: unknown): Connection => ({
    outcome: { kind },
    progressed: progressed || Date.now() - openedAt >= LASTING_MS,
    detail: "a connection that broke",
    cause,
  });
  try {
    await readEvents(
      body,
      {
        silenceMs: link.silenceMs,
        maxEventLength: link.http.maxMessageLength,
        isWatched: () => task.cursor.eventId !== undefined,
        wantsMore: () => !isAnswered(),
        onRetry: (ms) => (task.cursor.retryMs = ms),
        onEvent: async (event) => {
          progressed = true;
          if (!task.cursor.advance(event.id)) return;
          const isMessage = event.data !== "" && (event.event === undefined || event.event === "message");
          const messages = isMessage ? parseMessages(event.data) : [];
          if (messages === undefined) {
            link.onError(
              new ResumeError("protocol", "The server sent an event that is not JSON-RPC; it was left out"),
            );
          }
          answered = await task.take(messages ?? []);
        },
      },
      signal,
    );
    return connection(isAnswered() ? "answered" : "ended");
  } catch (cause) {
    signal.throwIfAborted();
    return connection(cause instanceof ResumeError ? "violated" : "ended", cause);
  }
}

const MEANING: Readonly<Partial<Record<ResumeErrorCode, string>>> = {
  "session-lost": "The server no longer knows the session",
  "cursor-lost": "The server can no longer replay this stream; the rest of it is lost",
  "not-resumable": "The connection broke and the server cannot resume it",
  "gave-up": "No connection came about within the budget (maxElapsedMs)",
  interrupted: "The connection broke before the answer began; the server may have executed the request",
  unauthorized: "The server refused the credentials; pass an authProvider whose token() it accepts",
  "not-sse": "The server answered with neither an event stream nor JSON; is this the MCP endpoint's URL?",
  protocol: "The server broke the protocol",
  http: "The server refused the request",
};

function failure(
  verdict: Extract<Verdict, { kind: "fail" }>,
  connection: Connection,
  link: Link,
): ResumeError {
  const { outcome, detail, cause } = connection;
  const url = new URL(link.http.url);
  return new ResumeError(
    verdict.code,
    `${MEANING[verdict.code] ?? verdict.code} (${url.origin}${url.pathname}${detail === undefined ? "" : `: ${detail}`})`,
    {
      maybeExecuted: verdict.maybeExecuted,
      ...(outcome.kind === "refused" ? { status: outcome.status } : {}),
      ...(cause === undefined ? {} : { cause }),
    },
  );
}
