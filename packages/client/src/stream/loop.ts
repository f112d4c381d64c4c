// Keeps one stream going over as many connections as it takes: the loop of opening, reading, judging and waiting.
import { RetryState, type Wait } from "./backoff.js";
import { classify, classifyPing, mayHaveRun } from "./classify.js";
import { type Connection, runConnection } from "./connection.js";
import { type ConnectionPermit, unlimitedBudget } from "../connections/budget.js";
import { ResumeError, type ResumeErrorCode } from "../errors.js";
import { sleep } from "../wait/abortable.js";
import type { Link, StreamTask } from "./task.js";

/** How long an offline device waits before it tries all the same: `navigator.onLine` is a hint. */
const OFFLINE_PROBE_MS = 30_000;

/** A standalone stream that waited at least this long for a permit may have missed messages, in milliseconds. */
const LONG_WAIT_MS = 1000;

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
  const { cursor, session } = task;
  const listening = task.request === undefined;
  const retries = new RetryState(link.maxElapsedMs);
  // Over all attempts: a request that is refused now may have run when it was sent before.
  let maybeExecuted = task.wasSent === true || (!listening && cursor.eventId !== undefined);
  // Whether messages may have been sent on the standalone stream while nobody could receive them.
  let mayHaveMissed = false;
  for (;;) {
    await untilOnline(task, link, signal);
    const method = listening || cursor.eventId !== undefined ? "GET" : "POST";
    const queuedAt = Date.now();
    const permit = await takeConnection(task, link, signal, method === "POST");
    const startedAt = Date.now();
    mayHaveMissed ||= listening && startedAt - queuedAt >= LONG_WAIT_MS;
    let liveAt: number | undefined;
    const connection = await runPermitted(task, link, permit, signal, () => {
      liveAt = Date.now();
      link.onStatus(task, { state: "live" });
      const outage = retries.connected(liveAt);
      if (outage !== undefined) link.onResumed(task, outage);
      if (mayHaveMissed && cursor.eventId === undefined) link.onGap(task);
      mayHaveMissed = listening;
    });
    const { outcome, progressed, retryAfterMs } = connection;
    maybeExecuted ||= method === "POST" && mayHaveRun(outcome);
    const isOffline = link.wake.isOffline();
    const waitedMs = elapsed(startedAt, liveAt ?? Date.now(), link.answerTimeoutMs);
    retries.ended({ ...connection, method, isOffline, waitedMs });

    const facts = {
      method,
      listening,
      hasCursor: cursor.eventId !== undefined,
      hasSession: session.id !== undefined,
      resendable: task.isResendable(),
      unreadable: retries.unreadable,
    } as const;
    const first = classify(outcome, facts);
    const verdict = first.kind === "ask" ? classifyPing(await link.ping(session, signal), facts) : first;
    if (verdict.kind === "done" || verdict.kind === "stop") {
      // An answer without a stream, too, tells the other streams that the network is there.
      if (liveAt === undefined) link.onStatus(task, { state: "live" });
      return;
    }
    if (verdict.kind === "fail") throw failure(verdict.code, connection, link, maybeExecuted);
    if (verdict.kind === "restart") cursor.reset();
    mayHaveMissed ||= verdict.mayHaveMissed;
    if (retries.unreadable === 1) link.onError(failure("not-sse", connection, link, maybeExecuted));

    const { retryMs } = cursor;
    if (permit.isRevoked() && progressed) {
      // Parked, not broken.
      await sleep(retryMs ?? 0, signal);
      continue;
    }
    const wait = retries.wait({ retryMs, retryAfterMs, random: link.random() }, Date.now());
    const isExhausted = retries.waited(wait, await pause(task, link, wait, signal), isOffline);
    if (isExhausted) throw failure("gave-up", connection, link, maybeExecuted);
  }
}

/** Runs one connection for as long as the stream keeps its permit. */
async function runPermitted(
  task: StreamTask,
  link: Link,
  permit: ConnectionPermit,
  signal: AbortSignal,
  onLive: () => void,
): Promise<Connection> {
  let isLive = false;
  try {
    return await runConnection(task, link, permit.signal, () => {
      isLive = true;
      onLive();
    });
  } catch (cause) {
    if (!permit.isRevoked() || signal.aborted) throw cause;
    return { outcome: { kind: "ended" }, heard: isLive, progressed: isLive };
  } finally {
    permit.release();
  }
}

/** Waits for leave to hold a connection. */
function takeConnection(
  task: StreamTask,
  link: Link,
  signal: AbortSignal,
  isPost: boolean,
): Promise<ConnectionPermit> {
  const { cursor, isBrief = false, request } = task;
  const isUnending = request === undefined && cursor.eventId === undefined;
  return (isBrief ? unlimitedBudget : link.budget).acquire(
    {
      isUrgent: isPost,
      isUnending,
      isParkable: () => cursor.eventId !== undefined,
      heardAt: () => cursor.heardAt,
    },
    signal,
  );
}

/**
 * Waits for the next attempt.
 *
 * @returns how long, in milliseconds; what a device slept through does not count.
 */
async function pause(
  task: StreamTask,
  link: Link,
  { attempt, firmMs, waitMs }: Wait,
  signal: AbortSignal,
): Promise<number> {
  if (waitMs < 0) return 0;
  const startedAt = Date.now();
  link.onStatus(task, { state: "waiting", attempt, retryAt: startedAt + waitMs });
  if (firmMs > 0) await sleep(Math.min(firmMs, waitMs), signal);
  const isWoken = firmMs < waitMs && (await sleep(waitMs - firmMs, signal, link.wake.subscribe));
  return isWoken ? elapsed(startedAt, Date.now(), waitMs) : waitMs;
}

/** The time between, from 0 to `mostMs`: the clock may have been set meanwhile. */
function elapsed(from: number, to: number, mostMs: number): number {
  return Math.max(0, Math.min(to - from, mostMs));
}

/** Waits while the device says that it is offline. */
async function untilOnline(task: StreamTask, link: Link, signal: AbortSignal): Promise<void> {
  while (link.wake.isOffline()) {
    link.onStatus(task, { state: "offline" });
    await sleep(OFFLINE_PROBE_MS, signal, link.wake.subscribe);
    if (!link.wake.isOffline() || task.cursor.eventId !== undefined || task.isResendable()) return;
    // A request that fails now would count as maybe executed: a harmless ping goes first.
    if ((await link.ping(task.session, signal)) !== 503) return;
  }
}

const MEANING: Readonly<Partial<Record<ResumeErrorCode, string>>> = {
  "session-lost": "The server no longer knows the session",
  "cursor-lost": "The server can no longer replay this stream; the rest of it is lost",
  "not-resumable": "The connection broke and the server cannot resume it",
  "gave-up": "No connection came about within maxElapsedMs",
  interrupted:
    "The connection broke, with no event id to resume from; the server may have executed the request",
  unauthorized: "The server refused the credentials; pass an authProvider whose token() it accepts",
  "not-sse": "The server answered with neither an event stream nor JSON; is this the MCP endpoint's URL?",
  protocol: "The server broke the protocol",
  http: "The server refused the request",
};

function failure(
  code: ResumeErrorCode,
  { cause, detail, outcome }: Connection,
  link: Link,
  maybeExecuted: boolean,
): ResumeError {
  const { origin, pathname } = new URL(link.url);
  const where = `${origin}${pathname}${detail === undefined ? "" : `: ${detail}`}`;
  return new ResumeError(code, `${MEANING[code] ?? code} (${where})`, {
    maybeExecuted,
    ...(outcome.kind === "refused" ? { status: outcome.status } : {}),
    ...(cause === undefined ? {} : { cause }),
  });
}
