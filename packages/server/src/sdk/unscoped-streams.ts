import { AppendPipeline } from "../store/append-pipeline.js";
import { EventStoreError } from "../log/errors.js";
import { formatEventId, type ParsedEventId, parseEventId } from "../store/event-id.js";
import { encodeMessage, type JsonRpcMessage } from "../store/messages.js";
import type { ReplayOutcome } from "../store/outcome.js";
import { Replay, type Send } from "../store/replay.js";
import { observed, settle, settleReplay, type StoreContext } from "../store/store-context.js";
import { isUnscopedName, unscopedName } from "../store/stream-names.js";

/** Streams that belong to no session. Nothing ends them, and nothing of them is kept when the log fails. */
export class UnscopedStreams {
  readonly #context: StoreContext;
  /** While something is under way on them. */
  readonly #pipelines = new Map<string, AppendPipeline>();

  constructor(context: StoreContext) {
    this.#context = context;
  }

  /** @throws {EventStoreError} `closed`, `invalid-stream`, `invalid-message`; what the log throws. */
  store(streamId: string, message: JsonRpcMessage | null): Promise<string> {
    this.#assertOpen();
    const { log, settings, observe, track } = this.#context;
    const startedAt = performance.now();
    const { kind, payload } = encodeMessage(message);
    const pipeline =
      this.#pipelines.get(streamId) ??
      new AppendPipeline(log, unscopedName(streamId), settings.maxPendingEventsPerStream);
    this.#pipelines.set(streamId, pipeline);
    const stored = pipeline.append(payload, settings.retention, (appended) => {
      if (pipeline.pending === 0) this.#pipelines.delete(streamId);
      if ("error" in appended) throw appended.error;
      const eventId = formatEventId({ ...appended.position, stream: streamId });
      const durationMs = performance.now() - startedAt;
      const about = { sessionId: undefined, streamId, kind, size: payload.length, durationMs };
      observe({ type: "stored", ...about, eventId });
      return eventId;
    });
    return track(stored);
  }

  /** @throws {EventStoreError} `closed`; what the log throws. */
  inspect(eventId: string): Promise<ReplayOutcome> {
    return this.#replay(eventId, undefined);
  }

  /** @throws {EventStoreError} `closed`; what the log and `send` throw. */
  replay(lastEventId: string, send: Send): Promise<ReplayOutcome> {
    return this.#replay(lastEventId, send);
  }

  async #replay(eventId: string, send: Send | undefined): Promise<ReplayOutcome> {
    this.#assertOpen();
    const startedAt = performance.now();
    const cursor = parseEventId(eventId);
    const subject = { sessionId: undefined, streamId: cursor?.stream };
    if (cursor === undefined || !isUnscopedName(cursor.stream)) {
      return settle(this.#context, subject, { kind: "unknown", reason: "malformed" }, startedAt);
    }
    const replay = this.#open(cursor, send ?? (() => undefined));
    const verdict = await observed(this.#context, "read", subject, () => replay.open());
    if (send === undefined || verdict.kind === "finished" || verdict.kind === "unknown") {
      return settle(this.#context, subject, verdict, startedAt);
    }
    await replay.finish();
    return settleReplay(this.#context, { sessionId: undefined, streamId: cursor.stream }, replay, startedAt);
  }

  #open(cursor: ParsedEventId, send: Send): Replay {
    const { log, settings } = this.#context;
    const source = {
      log,
      name: unscopedName(cursor.stream),
      streamId: cursor.stream,
      pageSize: settings.replayPageSize,
      limitMs: settings.operationTimeoutMs,
      endsWithResponse: false,
      refusesGaps: settings.refusesGaps,
      unstored: undefined,
    };
    return new Replay(source, cursor, send);
  }

  #assertOpen(): void {
    if (this.#context.isClosed()) throw new EventStoreError("closed", "The event store was closed.");
  }
}
