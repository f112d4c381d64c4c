import { AppendPipeline } from "../store/append-pipeline.js";
import { EventStoreError } from "../log/errors.js";
import type { Position, Retention } from "../log/event-log.js";
import { formatEventId, type ParsedEventId } from "../store/event-id.js";
import type { Appended } from "../store/limited-log.js";
import { type EncodedMessage, STANDALONE_STREAM_ID } from "../store/messages.js";
import { Replay, type ReplaySource, type Send } from "../store/replay.js";
import type { SessionIndex } from "../store/session-index.js";
import { observed, type StoreContext } from "../store/store-context.js";
import { StreamGate } from "./stream-gate.js";
import { scopedName } from "../store/stream-names.js";
import { type UnstoredMemory, UnstoredStream } from "../store/unstored.js";
import type { Verdict } from "../store/verdict.js";

/** The session that a stream belongs to. */
export interface StreamOwner {
  readonly sessionId: string;
  readonly context: StoreContext;
  readonly index: SessionIndex;
  readonly memory: UnstoredMemory;
  readonly isEnded: () => boolean;
  /** Whether a stream of this session may carry several responses. */
  readonly mayBatch: () => boolean;
}

const CLOSED: Appended = {
  error: new EventStoreError("closed", "The event store was closed."),
  isUncertain: false,
  eventually: undefined,
};

/** One stream of a session: its appends, its replays, and the gate between them. */
export class SessionStream {
  readonly streamId: string;
  readonly #owner: StreamOwner;
  readonly #name: string;
  readonly #pipeline: AppendPipeline;
  readonly #gate: StreamGate;
  readonly #unstored: UnstoredStream;
  #last: Position | undefined;
  #listedAt: number | undefined;
  #replays = 0;
  #hasEnded = false;

  /** @throws {EventStoreError} `invalid-stream` */
  constructor(owner: StreamOwner, streamId: string) {
    const { log, settings } = owner.context;
    this.streamId = streamId;
    this.#owner = owner;
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
    const startedAt = performance.now();
    return this.#gate.pass(() => {
      // Behind what is under way: upon the acknowledgement of a response the SDK closes the connection.
      if (this.#owner.isEnded()) return this.#pipeline.settled().then(() => "");
      const { isClosed } = this.#owner.context;
      if (isClosed()) return this.#pipeline.settled().then(() => this.#acknowledge(message, CLOSED, 0));
      const listed = this.#list();
      return this.#pipeline.append(
        message.payload,
        this.#retention(message),
        (appended) => this.#acknowledge(message, appended, performance.now() - startedAt),
        listed,
      );
    });
  }

  inspect(cursor: ParsedEventId): Promise<Verdict> {
    return this.#open(new Replay(this.#source(), cursor, () => undefined));
  }

  /**
   * Sends everything after the cursor.
   *
   * @param isFollowed whether the receiver gets what is stored from now on live; then nothing is acknowledged between
   * the last event of the replay and the macrotask after it.
   */
  async replay(
    cursor: ParsedEventId,
    send: Send,
    isFollowed: boolean,
  ): Promise<{ readonly verdict: Verdict; readonly replay: Replay }> {
    this.#replays += 1;
    try {
      const replay = new Replay(this.#source(), cursor, send);
      const verdict = await this.#open(replay);
      if (verdict.kind === "resumed" || verdict.kind === "gap") await this.#sendAll(replay, isFollowed);
      return { verdict, replay };
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

  async #sendAll(replay: Replay, isFollowed: boolean): Promise<void> {
    // Most of it goes out while appends go on, so that the gate is closed for the last few events only.
    await replay.advance(() => this.#lastKnownInOrder());
    if (isFollowed) {
      return this.#gate.finishReplay(
        () => this.#pipeline.settled(),
        (signal) => replay.finish(signal),
      );
    }
    await this.#pipeline.settled();
    return replay.finish();
  }

  #open(replay: Replay): Promise<Verdict> {
    const { context, sessionId } = this.#owner;
    return observed(context, "read", { sessionId, streamId: this.streamId }, () => replay.open());
  }

  /**
   * The last event of which it is certain that all before it are either in the log or in memory: while appends are
   * under way, one of them may fail that belongs before an event that can be read already.
   */
  #lastKnownInOrder(): number {
    if (this.#pipeline.pending === 0 && !this.#unstored.hasTail) return Infinity;
    return this.#last?.seq ?? 0;
  }

  #source(): ReplaySource {
    const { log, settings } = this.#owner.context;
    return {
      log,
      name: this.#name,
      streamId: this.streamId,
      pageSize: settings.replayPageSize,
      limitMs: settings.operationTimeoutMs,
      endsWithResponse: this.#endsWithResponse,
      refusesGaps: settings.refusesGaps,
      unstored: this.#unstored,
    };
  }

  get #endsWithResponse(): boolean {
    return this.streamId !== STANDALONE_STREAM_ID && !this.#owner.mayBatch();
  }

  #isFinal(message: EncodedMessage): boolean {
    return message.kind === "response" && this.#endsWithResponse;
  }

  /** The head of a stream with its final response need not outlive its events, even if nobody comes to end it. */
  #retention(message: EncodedMessage): Retention {
    const { retention } = this.#owner.context.settings;
    return this.#isFinal(message) ? { ...retention, headTtlMs: 0 } : retention;
  }

  #acknowledge(message: EncodedMessage, appended: Appended, durationMs: number): string {
    const { context, sessionId } = this.#owner;
    const about = {
      sessionId,
      streamId: this.streamId,
      kind: message.kind,
      size: message.payload.length,
      durationMs,
    };
    if ("error" in appended) {
      const { error } = appended;
      const kept = message.kind !== "priming" && this.#unstored.keep(message, this.#last?.seq, appended);
      context.countUnstored();
      context.observe({ type: "unstored", ...about, kept, error });
      return "";
    }
    const { position } = appended;
    if (this.#last !== undefined && this.#last.epoch !== position.epoch) this.#unstored.forgetPlaced();
    this.#last = position;
    this.#unstored.place(position.seq);
    const eventId = formatEventId({ ...position, stream: this.streamId });
    context.observe({ type: "stored", ...about, eventId });
    if (this.#isFinal(message)) this.#end();
    return eventId;
  }

  #end(): void {
    this.#hasEnded = true;
    const { context, sessionId } = this.#owner;
    const ended = observed(context, "end", { sessionId, streamId: this.streamId }, () =>
      context.log.end(this.#name),
    );
    // Told to those who observe; the response itself shows a resume that the stream is finished.
    void context.track(ended.catch(() => undefined));
  }

  /** Puts the stream on the session's list, anew when its entry there gets old. */
  #list(): Promise<void> | undefined {
    const { context, sessionId, index } = this.#owner;
    const { ttlMs } = context.settings.retention;
    const now = Date.now();
    const isListed =
      this.#listedAt !== undefined && (ttlMs === null || Math.abs(now - this.#listedAt) < ttlMs);
    if (isListed) return undefined;
    this.#listedAt = now;
    return observed(context, "index", { sessionId, streamId: this.streamId }, () =>
      index.add(this.streamId),
    ).catch(() => {
      // The next event tries again; until then endSession finds the stream only in this process.
      this.#listedAt = undefined;
    });
  }
}
