// Stores and replays streams that belong to no session, for direct use of an event store.

import { formatEventId } from "../store/event-id.js";
import { encodeMessage, type JsonRpcMessage } from "../store/messages.js";
import type { OpenStore } from "../store/open-store.js";
import { read } from "../store/replay-reader.js";
import { isUnscopedName, unscopedName } from "../store/stream-names.js";
import type { ReplayOutcome } from "../store/resume-verdict.js";
import { Resume, type Send } from "./resume.js";
import { AppendPipeline } from "./stream-gate.js";

/** Streams that belong to no session. Nothing ends them, and nothing of them is kept when the log fails. */
export class UnscopedStreams {
  readonly #store: OpenStore;
  /** While something is under way on them. */
  readonly #pipelines = new Map<string, AppendPipeline>();

  constructor(store: OpenStore) {
    this.#store = store;
  }

  /** @throws {EventStoreError} `closed`, `invalid-stream`, `invalid-message`; what the log throws. */
  store(streamId: string, message: JsonRpcMessage | null): Promise<string> {
    this.#store.assertOpen();
    const { log, settings, observe } = this.#store;
    const startedAt = observe === undefined ? 0 : performance.now();
    const { kind, payload } = encodeMessage(message);
    const pipeline =
      this.#pipelines.get(streamId) ??
      new AppendPipeline(log, unscopedName(streamId), settings.maxPendingEventsPerStream);
    this.#pipelines.set(streamId, pipeline);
    this.#store.began();
    return new Promise((resolve, reject) => {
      pipeline.append(payload, settings.retention, (appended) => {
        this.#store.ended();
        if (pipeline.pending === 0) this.#pipelines.delete(streamId);
        if ("error" in appended) {
          reject(appended.error);
          return;
        }
        const eventId = formatEventId({ ...appended.position, stream: streamId });
        const about = { sessionId: undefined, streamId, kind, size: payload.length };
        observe?.({ type: "stored", ...about, eventId, durationMs: performance.now() - startedAt });
        resolve(eventId);
      });
    });
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
    const resume = new Resume(this.#store, undefined, eventId);
    const { cursor } = resume;
    if (cursor === undefined || !isUnscopedName(cursor.stream)) {
      return resume.turnAway({ kind: "unknown", reason: "malformed" });
    }
    const { log, settings } = this.#store;
    const source = {
      log,
      name: unscopedName(cursor.stream),
      streamId: cursor.stream,
      pageSize: settings.replayPageSize,
      endsWithResponse: false,
      refusesGaps: settings.refusesGaps,
      unstored: undefined,
    };
    const reader = read(source, cursor);
    const verdict = await resume.verdictOf(reader);
    if (send === undefined || verdict.kind === "finished" || verdict.kind === "unknown") {
      return resume.turnAway(verdict);
    }
    await resume.send(reader, send);
    return resume.complete();
  }
}
