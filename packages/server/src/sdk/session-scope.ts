// Holds what one process knows of a session: its streams, whether it has ended, and what could not be stored.

import { RecencyList } from "../log/collections.js";
import { asError } from "../log/errors.js";
import type { ParsedEventId } from "../store/event-id.js";
import { encodeMessage, type MessageKind } from "../store/messages.js";
import { observed } from "../store/observation.js";
import type { OpenStore } from "../store/open-store.js";
import { SessionIndex } from "../store/session-index.js";
import { indexName, isStreamName, scopedName } from "../store/stream-names.js";
import { UnstoredMemory } from "../store/unstored-messages.js";
import type { ReplayOutcome, Verdict } from "../store/resume-verdict.js";
import { Resume, type Send } from "./resume.js";
import { SessionStream, type StreamOwner } from "./session-stream.js";

/** How many idle streams of a session are remembered; more only while something is under way. */
const MAX_REMEMBERED_STREAMS = 1000;
/** While it has messages that could not be stored, since it is kept then though nobody may use it any more. */
const MAX_REMEMBERED_STREAMS_WHEN_KEPT = 16;
const STREAMS_LOOKED_AT = 8;
const STREAMS_DELETED_AT_ONCE = 32;

/** The one revision in which a POST may carry several requests, and its stream so several responses. */
const REVISION_WITH_BATCHES = "2025-03-26";

/** What one process knows of a session: shared by all that `forSession` gave out for it. */
export class SessionScope implements StreamOwner {
  readonly sessionId: string;
  readonly store: OpenStore;
  readonly index: SessionIndex;
  readonly memory: UnstoredMemory;
  readonly #streams = new Map<string, SessionStream>();
  readonly #byUse = new RecencyList<SessionStream>();
  #isEnded = false;
  #mayBatch = false;

  /** @param onUnstored called when the scope's memory for what could not be stored has grown or shrunk. */
  constructor(store: OpenStore, sessionId: string, onUnstored: (scope: SessionScope) => void) {
    const { log, settings } = store;
    this.store = store;
    this.sessionId = sessionId;
    this.index = new SessionIndex(log, indexName(sessionId), settings.indexRetention);
    this.memory = new UnstoredMemory(settings.maxUnstoredPerSession, () => onUnstored(this));
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  get mayBatch(): boolean {
    return this.#mayBatch;
  }

  /**
   * Hands the event to the log before it returns. A rejection is a mistake of the caller:
   *
   * @throws {EventStoreError} `invalid-stream`, `invalid-message`
   */
  storeEvent(streamId: string, message: object | null): Promise<string> {
    try {
      const encoded = encodeMessage(message);
      if (negotiatedRevision(encoded.kind, message) === REVISION_WITH_BATCHES) this.#mayBatch = true;
      const stream = this.#streams.get(streamId) ?? new SessionStream(this, streamId);
      this.#remember(stream);
      return stream.store(encoded);
    } catch (error) {
      return Promise.reject(asError(error));
    }
  }

  /** @throws {EventStoreError} `closed`; what the log throws. */
  async inspect(eventId: string): Promise<ReplayOutcome> {
    const resume = new Resume(this.store, this.sessionId, eventId);
    const { cursor } = resume;
    const stream = this.#streamOf(cursor);
    if (cursor === undefined || stream === undefined) return resume.turnAway(unknown("malformed"));
    if (this.#isEnded) return resume.turnAway(unknown("session-ended"));
    return resume.turnAway(await stream.inspect(resume, cursor));
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
    const resume = new Resume(this.store, this.sessionId, eventId);
    const { cursor } = resume;
    const streamId = cursor?.stream ?? "";
    const stream = this.#streamOf(cursor);
    if (cursor === undefined || stream === undefined) {
      return { outcome: resume.turnAway(unknown("malformed")), streamId, isAtEnd: false };
    }
    if (this.#isEnded) {
      return { outcome: resume.turnAway(unknown("session-ended")), streamId, isAtEnd: false };
    }
    // The appends of the stream must find the same gate.
    this.#remember(stream);
    try {
      return { streamId, ...(await stream.replay(resume, cursor, send, isFollowed)) };
    } finally {
      this.release(stream);
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
    const { sessionId, store } = this;
    await Promise.all([...this.#streams.values()].map((stream) => stream.settled()));
    const about = { sessionId, streamId: undefined };
    const deleted = await observed(store.observe, "delete", about, async () => {
      const streamIds = [...new Set([...this.#streams.keys(), ...(await this.index.streamIds())])];
      for (let from = 0; from < streamIds.length; from += STREAMS_DELETED_AT_ONCE) {
        const some = streamIds.slice(from, from + STREAMS_DELETED_AT_ONCE);
        await Promise.all(some.map((streamId) => store.log.delete(scopedName(sessionId, streamId))));
      }
      // Last, so that what a failure left over is found again.
      await this.index.delete();
      return streamIds.length;
    });
    for (const stream of this.#streams.values()) {
      stream.clear();
      this.#forget(stream);
    }
    const durationMs = performance.now() - startedAt;
    store.observe?.({ type: "session-ended", sessionId, streams: deleted, durationMs });
  }

  /** Forgets a stream that has ended, and, when there are many, those that were not used for longest. */
  release(stream: SessionStream): void {
    if (stream.hasEnded && stream.isIdle) this.#forget(stream);
    const most = this.memory.size > 0 ? MAX_REMEMBERED_STREAMS_WHEN_KEPT : MAX_REMEMBERED_STREAMS;
    // A few at a time: the cost of a call must not depend on how many streams are busy.
    for (let looked = 0; looked < STREAMS_LOOKED_AT; looked += 1) {
      const { oldest } = this.#byUse;
      if (oldest === undefined || this.#streams.size <= most) return;
      if (oldest.isIdle) this.#forget(oldest);
      else this.#byUse.use(oldest.place);
    }
  }

  /** Forgets all streams of which nothing is known here that could not be found out again. */
  forgetIdle(): void {
    for (const stream of this.#streams.values()) if (stream.isIdle) this.#forget(stream);
  }

  /** @returns `undefined` when no stream of this session can have the name. */
  #streamOf(cursor: ParsedEventId | undefined): SessionStream | undefined {
    if (cursor === undefined) return undefined;
    const known = this.#streams.get(cursor.stream);
    if (known !== undefined) return known;
    return isStreamName(this.sessionId, cursor.stream) ? new SessionStream(this, cursor.stream) : undefined;
  }

  #remember(stream: SessionStream): void {
    if (stream.place.list === undefined) this.#streams.set(stream.streamId, stream);
    this.#byUse.use(stream.place);
  }

  #forget(stream: SessionStream): void {
    if (stream.place.list === undefined) return;
    this.#byUse.remove(stream.place);
    this.#streams.delete(stream.streamId);
  }
}

function unknown(reason: "malformed" | "session-ended"): Verdict {
  return { kind: "unknown", reason };
}

/** The revision that an initialize result says, which passes through here as the first response of a session. */
function negotiatedRevision(kind: MessageKind, message: object | null): unknown {
  if (kind !== "response" || message === null || !("result" in message)) return undefined;
  const { result } = message;
  if (typeof result !== "object" || result === null || !("capabilities" in result)) return undefined;
  return "protocolVersion" in result ? result.protocolVersion : undefined;
}
