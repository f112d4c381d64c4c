// Carries out one request to resume: drains a reader into `send`, and reports the outcome to observers.

import { timeoutError } from "../log/errors.js";
import { within } from "../log/waits.js";
import { type ParsedEventId, parseEventId } from "../store/event-id.js";
import { decodePayload, type Gap, type JsonRpcMessage } from "../store/messages.js";
import { observed, type Subject } from "../store/observation.js";
import type { OpenStore } from "../store/open-store.js";
import type { Reader, ReaderPage } from "../store/replay-reader.js";
import type { ReplayOutcome, UnknownReason, Verdict } from "../store/resume-verdict.js";

/** Takes one message of a replay; the next one waits until it is done. */
export type Send = (eventId: string, message: JsonRpcMessage) => Promise<void> | void;

/** One request to resume, or to say what a resume would come to. */
export class Resume {
  /** `undefined` when the client's event id is malformed. */
  readonly cursor: ParsedEventId | undefined;
  readonly #store: OpenStore;
  readonly #subject: Subject;
  readonly #startedAt = performance.now();
  readonly #gaps: Gap[] = [];
  #replayed = 0;

  /** @throws {EventStoreError} `closed` */
  constructor(store: OpenStore, sessionId: string | undefined, eventId: string) {
    store.assertOpen();
    this.#store = store;
    this.cursor = parseEventId(eventId);
    this.#subject = { sessionId, streamId: this.cursor?.stream };
  }

  /** @throws {EventStoreError} what the log throws. */
  verdictOf(reader: Reader): Promise<Verdict> {
    return observed(this.#store.observe, "read", this.#subject, () => reader.verdict());
  }

  /**
   * Sends the pages' messages one after the other.
   *
   * @param signal stops before the next message when it aborts.
   * @throws {EventStoreError} `timeout` when `send` takes too long; what the reader and `send` throw.
   */
  async send(pages: AsyncIterable<ReaderPage>, send: Send, signal?: AbortSignal): Promise<void> {
    const { operationTimeoutMs } = this.#store.settings;
    for await (const page of pages) {
      for (const { eventId, payload, gap } of page) {
        signal?.throwIfAborted();
        const message = decodePayload(payload);
        if (message === undefined) continue;
        if (gap !== undefined) this.#gaps.push(gap);
        const sent = send(eventId, message);
        // A receiver that never takes the message must not hold the replay, and the gate with it, for ever.
        if (sent !== undefined) {
          await within(sent, operationTimeoutMs, () =>
            timeoutError("Taking a replayed message", operationTimeoutMs),
          );
        }
        if (gap === undefined) this.#replayed += 1;
      }
    }
  }

  /** The outcome when nothing is sent. */
  turnAway(verdict: Verdict): ReplayOutcome {
    if (verdict.kind === "resumed") return { kind: "resumed", replayed: 0 };
    if (verdict.kind === "gap") return { ...verdict, replayed: 0 };
    this.#tellOfRefusal(verdict);
    return verdict.kind === "finished" ? { kind: "finished" } : { kind: "unknown", reason: verdict.reason };
  }

  /** The outcome when everything was sent. */
  complete(): ReplayOutcome {
    const { observe } = this.#store;
    const { sessionId, streamId } = this.#subject;
    const gap = this.#gap();
    const replayed = this.#replayed;
    if (observe !== undefined && streamId !== undefined) {
      if (gap !== undefined) observe({ type: "gap", sessionId, streamId, refused: false, ...gap });
      const durationMs = performance.now() - this.#startedAt;
      observe({ type: "replayed", sessionId, streamId, messages: replayed, durationMs });
    }
    return gap === undefined ? { kind: "resumed", replayed } : { kind: "gap", replayed, ...gap };
  }

  /** What was found missing, all in one. */
  #gap(): Gap | undefined {
    const first = this.#gaps[0];
    const last = this.#gaps.at(-1);
    if (first === undefined || last === undefined) return undefined;
    const missed = this.#gaps.reduce((sum, gap) => sum + gap.missed, 0);
    return { missed, from: first.from, to: last.to };
  }

  #tellOfRefusal(verdict: Verdict & { kind: "finished" | "unknown" }): void {
    const { observe } = this.#store;
    if (observe === undefined) return;
    const { sessionId, streamId } = this.#subject;
    const durationMs = performance.now() - this.#startedAt;
    const reason = verdict.kind === "finished" ? "finished" : verdict.reason;
    if (streamId !== undefined && isExpiry(reason)) {
      observe({ type: "expired", sessionId, streamId, reason, durationMs });
    } else {
      observe({ type: "rejected", ...this.#subject, reason, durationMs });
    }
    if (verdict.kind === "unknown" && verdict.gap !== undefined && streamId !== undefined) {
      observe({ type: "gap", sessionId, streamId, refused: true, ...verdict.gap });
    }
  }
}

function isExpiry(reason: UnknownReason | "finished"): reason is UnknownReason {
  return reason === "no-stream" || reason === "other-epoch" || reason === "nothing-left";
}
