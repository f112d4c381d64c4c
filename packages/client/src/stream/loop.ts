import { backoff } from "./backoff.js";
import { classify, classifyPing, mayHaveRun } from "./classify.js";
import { type Connection, runConnection } from "./connection.js";
import { type Place, unlimitedBudget } from "../connections/budget.js";
import { ResumeError, type ResumeErrorCode } from "../errors.js";
import { sleep } from "../wait/abortable.js";
import type { Link, StreamTask } from "./task.js";

/** How long an offline device waits before it tries all the same: `navigator.onLine` is a hint. */
const OFFLINE_PROBE_MS = 30_000;

/** A standalone stream that waited so long for a place may have missed what came meanwhile, in milliseconds. */
const LONG_WAIT_MS = 1000;

/** How often a wait may end early for each one that was waited out: other streams may get through all the time. */
const EARLY_ATTEMPTS = 4;

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
  let attempt = 0;
  // Of them, those that were made early. They do not lengthen the waits.
  let early = 0;
  let unreadable = 0;
  let deadMs = 0;
  let brokenSince: number | undefined;
  // Of any attempt: a request that was refused may have run when it was sent before.
  let maybeExecuted = task.wasSent === true || (!listening && cursor.eventId !== undefined);
  // Whether messages may have been sent on the standalone stream while nobody could receive them.
  let mayHaveMissed = false;
  for (;;) {
    await untilOnline(task, link, signal);
    const method = listening || cursor.eventId !== undefined ? "GET" : "POST";
    const waitingSince = Date.now();
    const place = await enter(task, link, signal, method === "POST");
    const startedAt = Date.now();
    mayHaveMissed ||= listening && startedAt - waitingSince >= LONG_WAIT_MS;
    let liveAt: number | undefined;
    const connection = await runConnection(task, link, place.signal, () => {
      liveAt = Date.now();
      link.onStatus(task, { state: "live" });
      if (brokenSince !== undefined) link.onResumed(task, attempt, liveAt - brokenSince);
      if (mayHaveMissed && cursor.eventId === undefined) link.onGap(task);
      mayHaveMissed = listening;
      brokenSince = undefined;
    })
      .catch((cause: unknown): Connection => {
        if (!place.isLost() || signal.aborted) throw cause;
        const isLive = liveAt !== undefined;
        return { outcome: { kind: "ended" }, heard: isLive, progressed: isLive };
      })
      .finally(place.leave);
    const { heard, outcome, progressed, retryAfterMs } = connection;
    maybeExecuted ||= method === "POST" && mayHaveRun(outcome);
    if (progressed) attempt = early = 0;
    // Of a network that is away nobody can say that it does not come back.
    const isOffline = link.wake.isOffline();
    if (heard || progressed) deadMs = 0;
    // What was waited for nothing. The answer to a request that was sent may take as long as the tool.
    else if (!isOffline && (method === "GET" || (outcome.kind === "unreachable" && outcome.unsent)))
      deadMs += elapsed(startedAt, liveAt ?? Date.now(), link.http.answerTimeoutMs);
    unreadable = outcome.kind === "unreadable" ? unreadable + 1 : 0;
    const facts = {
      method,
      listening,
      hasCursor: cursor.eventId !== undefined,
      hasSession: session.id !== undefined,
      resendable: task.isResendable(),
      unreadable,
    } as const;
    let verdict = classify(outcome, facts);
    if (verdict.kind === "ask") verdict = classifyPing(await link.ping(session, signal), facts);
    if (verdict.kind === "done" || verdict.kind === "stop") {
      // An answer that is no stream tells the others, too, that the network is there.
      if (liveAt === undefined) link.onStatus(task, { state: "live" });
      return;
    }
    if (verdict.kind === "fail") {
      if (!listening || verdict.code !== "cursor-lost")
        throw failure(verdict.code, connection, link, maybeExecuted);
      // The standalone stream goes on from now; only what was missed is lost.
      cursor.reset();
      mayHaveMissed = true;
    }
    // Of a standalone stream the SDK's server says so while it still believes in a dead connection.
    if (listening && outcome.kind === "refused" && outcome.status === 409) mayHaveMissed = true;
    if (unreadable === 1) link.onError(failure("not-sse", connection, link, maybeExecuted));
    const { retryMs } = cursor;
    const { delayMs, askedMs } = backoff({
      attempt: attempt - early,
      retryMs,
      retryAfterMs,
      random: link.random(),
    });
    if (place.isLost() && progressed) {
      // Parked, not broken.
      await sleep(delayMs, signal);
      continue;
    }
    brokenSince ??= Date.now();
    attempt += 1;
    const mayWake = early < EARLY_ATTEMPTS * (attempt - early);
    const waitMs = Math.min(delayMs, link.maxElapsedMs - deadMs);
    const waitedMs = await pause(task, link, attempt, waitMs, signal, mayWake ? askedMs : waitMs);
    if (waitedMs < waitMs) early += 1;
    if (!isOffline) deadMs += waitedMs;
    // The last attempt is the one before: what the server asked for is not undercut, and not outwaited.
    if (deadMs >= link.maxElapsedMs) throw failure("gave-up", connection, link, maybeExecuted);
  }
}

/** Waits for leave to hold a connection. */
function enter(task: StreamTask, link: Link, signal: AbortSignal, isPost: boolean): Promise<Place> {
  const { cursor, isBrief = false, request } = task;
  const isUnending = request === undefined && cursor.eventId === undefined;
  return (isBrief ? unlimitedBudget : link.budget).enter(
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
 * Waits for the next attempt; a wake-up may end that after `firmMs`.
 *
 * @returns how long, in milliseconds; what a device slept through does not count.
 */
async function pause(
  task: StreamTask,
  link: Link,
  attempt: number,
  waitMs: number,
  signal: AbortSignal,
  firmMs: number,
): Promise<number> {
  if (waitMs < 0) return 0;
  const startedAt = Date.now();
  link.onStatus(task, { state: "waiting", attempt, retryAt: startedAt + waitMs });
  if (firmMs > 0) await sleep(Math.min(firmMs, waitMs), signal);
  const isWoken = firmMs < waitMs && (await sleep(waitMs - firmMs, signal, link.wake.subscribe));
  return isWoken ? elapsed(startedAt, Date.now(), waitMs) : waitMs;
}

/** By a clock that anybody may set, back too. */
function elapsed(from: number, to: number, mostMs: number): number {
  return Math.max(0, Math.min(to - from, mostMs));
}

/** Sends nothing into a network that is said to be down. */
async function untilOnline(task: StreamTask, link: Link, signal: AbortSignal): Promise<void> {
  while (link.wake.isOffline()) {
    link.onStatus(task, { state: "offline" });
    await sleep(OFFLINE_PROBE_MS, signal, link.wake.subscribe);
    if (!link.wake.isOffline() || task.cursor.eventId !== undefined || task.isResendable()) return;
    // A request that fails there looks as if it may have been executed: something harmless goes ahead.
    if ((await link.ping(task.session, signal)) !== 503) return;
  }
}

const MEANING: Readonly<Partial<Record<ResumeErrorCode, string>>> = {
  "session-lost": "The server no longer knows the session",
  "cursor-lost": "The server can no longer replay this stream; the rest of it is lost",
  "not-resumable": "The connection broke and the server cannot resume it",
  "gave-up": "No connection came about within the budget (maxElapsedMs)",
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
  const { origin, pathname } = new URL(link.http.url);
  const where = `${origin}${pathname}${detail === undefined ? "" : `: ${detail}`}`;
  return new ResumeError(code, `${MEANING[code] ?? code} (${where})`, {
    maybeExecuted,
    ...(outcome.kind === "refused" ? { status: outcome.status } : {}),
    ...(cause === undefined ? {} : { cause }),
  });
}
