// Stores and replays the messages of one stream of a session, and keeps in memory what the log could not store.

import { EventStoreError } from "../log/errors.js";
import type { Position, Retention } from "../log/event-log.js";
import { Place } from "../log/collections.js";
import { eventIdWriter, type ParsedEventId } from "../store/event-id.js";
import type { Appended, AppendFailure } from "../store/time-limited-log.js";
import { type EncodedMessage, STANDALONE_STREAM_ID } from "../store/messages.js";
import { observed, type StreamReference } from "../store/observation.js";
import type { OpenStore } from "../store/open-store.js";
import { read, type Reader } from "../store/replay-reader.js";
import type { SessionIndex } from "../store/session-index.js";
import { scopedName } from "../store/stream-names.js";
import { type UnstoredMemory, UnstoredStream } from "../store/unstored-messages.js";
import type { ReplayOutcome, Verdict } from "../store/resume-verdict.js";
import type { Resume, Send } from "./resume.js";
import { AppendPipeline, StreamGate } from "./stream-gate.js";

/** The session that a stream belongs to. */
export interface StreamOwner {
  readonly sessionId: string;
  readonly store: OpenStore;
  readonly index: SessionIndex;
  readonly memory: UnstoredMemory;
  readonly isEnded: boolean;
  /** Whether a stream of this session may carry several responses. */
  readonly mayBatch: boolean;
  /** An append or a replay of the stream is done. */
  release(stream: SessionStream): void;
}

const CLOSED: Appended = {
  error: new EventStoreError("closed", "The event store was closed."),
  isUncertain: false,
  eventually: undefined,
};

/** One stream of a session: its appends, its replays, and the gate between them. */
export class SessionStream {
  readonly streamId: string;
  /** Its place among the streams of the session in the order of use. */
  readonly place: Place<SessionStream> = new Place<SessionStream>(this);
  readonly #owner: StreamOwner;
  readonly #store: OpenStore;
  readonly #name: string;
  readonly #pipeline: AppendPipeline;
  readonly #gate: StreamGate;
  readonly #unstored: UnstoredStream;
  #last: Position | undefined;
  #eventId: (seq: number) => string = () => "";
  #listedAt: number | undefined;
  #replays = 0;
  #hasEnded = false;

  /** @throws {EventStoreError} `invalid-stream` */
  constructor(owner: StreamOwner, streamId: string) {
    const { log, settings } = owner.store;
    this.streamId = streamId;
    this.#owner = owner;
    this.#store = owner.store;
    this.#name = scopedName(owner.sessionId, streamId);
    this.#pipeline = new AppendPipeline(log, this.#name, settings.maxPendingEventsPerStream);
    this.#gate = new StreamGate(settings.maxPendingEventsPerStream, settings.operationTimeoutMs);
    this.#unstored = new UnstoredStream(owner.memory);
  }

  /** Whether nothing is under way, and nothing is known here that could not be found out again. */
  get isIdle(): boolean {
    const isQuiet = this.#pipeline.pending === 0 && this.#replays === 0 && !this.#gate.isBusy;
    return isQuiet && this.#unstored.isEmpty;
  }

  /** Whether the final response was stored, so that nothing more is to come. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /**
   * @returns the event's id; an empty one when it could not be stored, or the session has ended, in which nobody can
   * resume.
   */
  store(message: EncodedMessage): Promise<string> {
    const startedAt = this.#store.observe === undefined ? 0 : performance.now();
    this.#store.began();
    return new Promise((resolve) => {
      this.#gate.pass(() =>
        this.#append(message, (appended) => {
          // Nobody can resume in a session that has ended meanwhile: what it sends is not kept.
          const eventId = appended === undefined ? "" : this.#acknowledge(message, appended, startedAt);
          resolve(eventId);
          this.#store.ended();
          this.#owner.release(this);
        }),
      );
    });
  }

  inspect(resume: Resume, cursor: ParsedEventId): Promise<Verdict> {
    return resume.verdictOf(this.#read(cursor));
  }

  /**
   * Sends everything after the cursor.
   *
   * @param isFollowed whether the receiver gets what is stored from now on live; then nothing is acknowledged between
   * the last event of the replay and the macrotask after it.
   * @returns the outcome, and whether the final response was sent.
   */
  async replay(
    resume: Resume,
    cursor: ParsedEventId,
    send: Send,
    isFollowed: boolean,
  ): Promise<{ readonly outcome: ReplayOutcome; readonly isAtEnd: boolean }> {
    this.#replays += 1;
    try {
      const reader = this.#read(cursor);
      const verdict = await resume.verdictOf(reader);
      if (verdict.kind === "finished" || verdict.kind === "unknown") {
        return { outcome: resume.turnAway(verdict), isAtEnd: false };
      }
      // Most of it goes out while appends go on, so that the gate is closed for the last few events only.
      await resume.send(reader.inOrder(), send);
      const underWay = (): Promise<void> => this.#pipeline.settled();
      const finish = (signal?: AbortSignal): Promise<void> => resume.send(reader.rest(), send, signal);
      if (isFollowed) await this.#gate.finishReplay(underWay, finish);
      else await underWay().then(() => finish());
      return { outcome: resume.complete(), isAtEnd: reader.isAtEnd };
    } finally {
      this.#replays -= 1;
    }
  }

  /** Resolves when everything appended so far is acknowledged. */
  settled(): Promise<void> {
    return this.#pipeline.settled();
  }

  /** Forgets what waits in memory. */
  clear(): void {
    this.#unstored.clear();
  }

  #read(cursor: ParsedEventId): Reader {
    const { log, settings } = this.#store;
    const source = {
      log,
      name: this.#name,
      streamId: this.streamId,
      pageSize: settings.replayPageSize,
      endsWithResponse: this.#endsWithResponse,
      refusesGaps: settings.refusesGaps,
      unstored: this.#unstored,
      lastInOrder: () => this.#lastInOrder(),
    };
    return read(source, cursor);
  }

  #lastInOrder(): number {
    if (this.#pipeline.pending === 0 && !this.#unstored.hasTail) return Infinity;
    // Nothing is under way, and nothing was acknowledged here: all that is stored comes before what waits.
    if (this.#last === undefined) return this.#pipeline.pending === 0 ? Infinity : 0;
    return this.#last.seq;
  }

  /** @param acknowledge called in turn; with nothing when the session has ended. */
  #append(message: EncodedMessage, acknowledge: (appended?: Appended) => void): void {
    // Behind what is under way: upon the acknowledgement of a response the SDK closes the connection.
    if (this.#owner.isEnded) this.#pipeline.pass(CLOSED, () => acknowledge());
    else if (this.#store.isClosed) this.#pipeline.pass(CLOSED, acknowledge);
    else {
      const listed = this.#list();
      this.#pipeline.append(message.payload, this.#retention(message), acknowledge, listed);
    }
  }

  get #endsWithResponse(): boolean {
    return this.streamId !== STANDALONE_STREAM_ID && !this.#owner.mayBatch;
  }

  #isFinal(message: EncodedMessage): boolean {
    return message.kind === "response" && this.#endsWithResponse;
  }

  /** The head of a stream with its final response need not outlive its events, even if nobody comes to end it. */
  #retention(message: EncodedMessage): Retention {
    const { retention } = this.#store.settings;
    return this.#isFinal(message) ? { ...retention, headTtlMs: 0 } : retention;
  }

  #acknowledge(message: EncodedMessage, appended: Appended, startedAt: number): string {
    if ("error" in appended) return this.#keep(message, appended, startedAt);
    const { epoch, seq } = appended.position;
    if (this.#last?.epoch !== epoch) {
      if (this.#last !== undefined) this.#unstored.forgetPlaced();
      this.#eventId = eventIdWriter(epoch, this.streamId);
    }
    this.#last = appended.position;
    this.#unstored.place(seq);
    const eventId = this.#eventId(seq);
    this.#store.observe?.({ type: "stored", ...this.#aboutAppend(message, startedAt), eventId });
    if (this.#isFinal(message)) this.#end();
    return eventId;
  }

  #keep(message: EncodedMessage, failed: AppendFailure, startedAt: number): string {
    const { error } = failed;
    const kept = message.kind !== "priming" && this.#unstored.keep(message, this.#last?.seq, failed);
    this.#store.unstoredCount += 1;
    this.#store.observe?.({ type: "unstored", ...this.#aboutAppend(message, startedAt), kept, error });
    return "";
  }

  #aboutAppend({ kind, payload }: EncodedMessage, startedAt: number) {
    return { ...this.#about, kind, size: payload.length, durationMs: performance.now() - startedAt };
  }

  get #about(): StreamReference {
    return { sessionId: this.#owner.sessionId, streamId: this.streamId };
  }

  #end(): void {
    this.#hasEnded = true;
    const { log, observe } = this.#store;
    const ended = observed(observe, "end", this.#about, () => log.end(this.#name));
    // Told to those who observe; the response itself shows a resume that the stream is finished.
    void this.#store.track(ended).catch(() => undefined);
  }

  /** Puts the stream on the session's list, anew when its entry there gets old. */
  #list(): Promise<void> | undefined {
    const { index } = this.#owner;
    const { ttlMs } = this.#store.settings.retention;
    const now = Date.now();
    const isListed =
      this.#listedAt !== undefined && (ttlMs === null || Math.abs(now - this.#listedAt) < ttlMs);
    if (isListed) return undefined;
    this.#listedAt = now;
    return observed(this.#store.observe, "index", this.#about, () => index.add(this.streamId)).catch(() => {
      // The next event tries again; until then endSession finds the stream only in this process.
      this.#listedAt = undefined;
    });
  }
}
