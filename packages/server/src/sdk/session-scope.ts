import { EventStoreError } from "../log/errors.js";
import { type ParsedEventId, parseEventId } from "../store/event-id.js";
import { encodeMessage } from "../store/messages.js";
import type { ReplayOutcome } from "../store/outcome.js";
import type { Send } from "../store/replay.js";
import { SessionIndex } from "../store/session-index.js";
import { SessionStream } from "./session-stream.js";
import { observed, settle, settleReplay, type StoreContext } from "../store/store-context.js";
import { indexName, isStreamName, scopedName } from "../store/stream-names.js";
import { UnstoredMemory } from "../store/unstored.js";
import type { Verdict } from "../store/verdict.js";

/** So many streams of a session are remembered between their events; more only while something is under way. */
const MAX_REMEMBERED_STREAMS = 1000;
const STREAMS_LOOKED_AT = 8;
const STREAMS_DELETED_AT_ONCE = 32;

/** The one revision in which a POST may carry several requests, and its stream so several responses. */
const REVISION_WITH_BATCHES = "2025-03-26";

/** What one process knows of a session: shared by all that `forSession` gave out for it. */
export class SessionScope {
  readonly sessionId: string;
  readonly context: StoreContext;
  readonly index: SessionIndex;
  readonly memory: UnstoredMemory;
  readonly #streams = new Map<string, SessionStream>();
  #isEnded = false;
  #mayBatch = false;

  constructor(context: StoreContext, sessionId: string) {
    const { log, settings } = context;
    this.context = context;
    this.sessionId = sessionId;
    this.index = new SessionIndex(log, indexName(sessionId), settings.indexRetention);
    this.memory = new UnstoredMemory(settings.maxUnstoredPerSession);
  }

  readonly isEnded = (): boolean => this.#isEnded;
  readonly mayBatch = (): boolean => this.#mayBatch;

  /** Hands the event to the log before it returns. */
  store(streamId: string, message: object | null): Promise<string> {
    const encoded = encodeMessage(message);
    if (negotiatedRevision(message) === REVISION_WITH_BATCHES) this.#mayBatch = true;
    const stream = this.#streams.get(streamId) ?? new SessionStream(this, streamId);
    this.#remember(stream);
    return this.context.track(stream.store(encoded)).finally(() => this.#release(stream));
  }

  /** @throws {EventStoreError} `closed`; what the log throws. */
  async inspect(eventId: string): Promise<ReplayOutcome> {
    this.#assertOpen();
    const startedAt = performance.now();
    const { sessionId, context } = this;
    const cursor = parseEventId(eventId);
    const subject = { sessionId, streamId: cursor?.stream };
    const stream = cursor === undefined ? undefined : this.#streamOf(cursor);
    if (cursor === undefined || stream === undefined) {
      return settle(context, subject, unknown("malformed"), startedAt);
    }
    if (this.#isEnded) return settle(context, subject, unknown("session-ended"), startedAt);
    return settle(context, subject, await stream.inspect(cursor), startedAt);
  }

  /**
   * @returns the outcome, the stream, and whether its final response was sent.
   * @throws {EventStoreError} `closed`; what the log and `send` throw.
   */
  async replay(
    eventId: string,
    send: Send,
    isFollowed: boolean,
  ): Promise<{ readonly outcome: ReplayOutcome; readonly streamId: string; readonly isAtEnd: boolean }> {
    this.#assertOpen();
    const startedAt = performance.now();
    const { sessionId, context } = this;
    const cursor = parseEventId(eventId);
    const streamId = cursor?.stream ?? "";
    const turnAway = (verdict: Verdict): ReplayOutcome =>
      settle(context, { sessionId, streamId: cursor?.stream }, verdict, startedAt);
    const stream = cursor === undefined ? undefined : this.#streamOf(cursor);
    if (cursor === undefined || stream === undefined) {
      return { outcome: turnAway(unknown("malformed")), streamId, isAtEnd: false };
    }
    if (this.#isEnded) return { outcome: turnAway(unknown("session-ended")), streamId, isAtEnd: false };
    // The appends of the stream must find the same gate.
    this.#remember(stream);
    try {
      const { verdict, replay } = await stream.replay(cursor, send, isFollowed);
      const wasSent = verdict.kind === "resumed" || verdict.kind === "gap";
      const outcome = wasSent
        ? settleReplay(context, { sessionId, streamId }, replay, startedAt)
        : turnAway(verdict);
      return { outcome, streamId, isAtEnd: replay.isAtEnd };
    } finally {
      this.#release(stream);
    }
  }

  /**
   * Deletes the session's streams, also those that another process has written. What is stored from now on is dropped.
   *
   * @throws {EventStoreError} what the log throws; then it may be called again.
   */
  async end(): Promise<void> {
    const startedAt = performance.now();
    this.#isEnded = true;
    const { sessionId, context } = this;
    await Promise.all([...this.#streams.values()].map((stream) => stream.settled()));
    const deleted = await observed(context, "delete", { sessionId, streamId: undefined }, async () => {
      const streamIds = [...new Set([...this.#streams.keys(), ...(await this.index.streamIds())])];
      for (let from = 0; from < streamIds.length; from += STREAMS_DELETED_AT_ONCE) {
        const some = streamIds.slice(from, from + STREAMS_DELETED_AT_ONCE);
        await Promise.all(some.map((streamId) => context.log.delete(scopedName(sessionId, streamId))));
      }
      // Last, so that what a failure left over is found again.
      await this.index.delete();
      return streamIds.length;
    });
    for (const stream of this.#streams.values()) stream.clear();
    this.#streams.clear();
    const durationMs = performance.now() - startedAt;
    context.observe({ type: "session-ended", sessionId, streams: deleted, durationMs });
  }

  /** @returns `undefined` when no stream of this session can have the name. */
  #streamOf(cursor: ParsedEventId): SessionStream | undefined {
    const known = this.#streams.get(cursor.stream);
    if (known !== undefined) return known;
    return isStreamName(this.sessionId, cursor.stream) ? new SessionStream(this, cursor.stream) : undefined;
  }

  /** Keeps the map in the order of use. */
  #remember(stream: SessionStream): void {
    this.#streams.delete(stream.streamId);
    this.#streams.set(stream.streamId, stream);
  }

  /** Forgets a stream that has ended, and, when there are many, those that were not used for longest. */
  #release(stream: SessionStream): void {
    if (stream.hasEnded && stream.isIdle) this.#forget(stream);
    const excess = this.#streams.size - MAX_REMEMBERED_STREAMS;
    if (excess <= 0) return;
    // A few at a time: the cost of a call must not depend on how many streams are busy.
    for (const oldest of [...take(this.#streams.values(), STREAMS_LOOKED_AT)]) {
      if (oldest.isIdle) this.#forget(oldest);
      else this.#remember(oldest);
    }
  }

  #forget(stream: SessionStream): void {
    if (this.#streams.get(stream.streamId) === stream) this.#streams.delete(stream.streamId);
  }

  #assertOpen(): void {
    if (this.context.isClosed()) throw new EventStoreError("closed", "The event store was closed.");
  }
}

function unknown(reason: "malformed" | "session-ended"): Verdict {
  return { kind: "unknown", reason };
}

/** The revision that an initialize result says, which passes through here as the first response of a session. */
function negotiatedRevision(message: object | null): unknown {
  if (message === null || !("result" in message)) return undefined;
  const { result } = message;
  if (typeof result !== "object" || result === null || !("capabilities" in result)) return undefined;
  return "protocolVersion" in result ? result.protocolVersion : undefined;
}

function* take<T>(values: Iterable<T>, atMost: number): Iterable<T> {
  let taken = 0;
  for (const value of values) {
    if (taken === atMost) return;
    taken += 1;
    yield value;
  }
}
