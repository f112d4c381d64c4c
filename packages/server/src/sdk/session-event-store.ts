// Fits the event store of one session to the transports of both SDKs: answers 4xx, takes over connections, ends streams.

import { EventStoreError } from "../log/errors.js";
import type { JsonRpcMessage } from "../store/messages.js";
import type { ReplayOutcome } from "../store/resume-verdict.js";
import type { Send } from "./resume.js";
import type { SessionScope } from "./session-scope.js";

/*
 * The SDKs look these ids up among their live streams, whose ids are UUIDs and `_GET_stream`: neither is ever there.
 */

/**
 * What the SDKs get for a cursor that can be resumed, instead of the stream's id: with the id they answer 409 for as
 * long as they believe in the connection that the client has left, which may be half-open.
 */
const RESUMABLE = "resumable-mcp:resumable";

/**
 * Under this id a replay is registered that has sent the final response. 1.x keeps its connection open for ever, but
 * closes the one before it of the same id; 2.x closes it at once.
 */
const FINISHED = "resumable-mcp:finished";

/**
 * The event store of one session: what a transport of either SDK takes as `eventStore`.
 *
 * Get it from `EventStore.forSession`. All that were given out for a session in one process share their state, so
 * that appends and replays of a stream are in step.
 *
 * - **Order.** Events are acknowledged in the order of the calls, whatever the order in which the log answers.
 * - **The seam.** A replay sends everything that was stored before it returned; what is stored then is acknowledged
 *   when the transport has registered the new connection. Nothing falls between, and nothing comes twice.
 * - **Takeover.** A valid cursor replaces the connection that the transport still believes in. Any other cursor is a
 *   400, and a log that fails is a 500.
 * - **End.** A JSON-RPC response ends the stream of its request. In sessions of revision 2025-03-26, whose requests may
 *   come in batches, it does not, as far as this process has seen the initialize result.
 */
export class SessionEventStore {
  readonly #scope: SessionScope;

  /** @internal Made by `EventStore.forSession`. */
  constructor(scope: SessionScope) {
    this.#scope = scope;
  }

  get sessionId(): string {
    return this.#scope.sessionId;
  }

  /**
   * Stores an event. `null`, and the `{}` of the SDKs, is a priming event: it has an id and is never replayed.
   *
   * @returns the event's id. An empty one when the log failed or did not answer in time: the SDKs send the message
   * live without an id then. It waits in memory for the next resume in this process, which may send it again.
   * @throws {EventStoreError} `invalid-stream`, `invalid-message`
   */
  storeEvent(streamId: string, message: object | null): Promise<string> {
    return this.#scope.storeEvent(streamId, message);
  }

  /**
   * Whether the SDK may resume from an event id.
   *
   * @returns some id, which is never that of a live stream; `undefined` when the cursor cannot be resumed: the SDKs
   * answer 400.
   * @throws {EventStoreError} what the log throws: the SDKs answer 500, and clients try again.
   */
  async getStreamIdForEventId(eventId: string): Promise<string | undefined> {
    const { kind } = await this.#scope.inspect(eventId);
    return kind === "resumed" || kind === "gap" ? RESUMABLE : undefined;
  }

  /**
   * Replays what came after an event, for a transport that registers the new connection right afterwards.
   *
   * @returns the id of the stream that goes on.
   * @throws {EventStoreError} `finished`, `unknown-event`; `overloaded` when too many events came meanwhile; what the
   * log throws.
   */
  async replayEventsAfter(
    lastEventId: string,
    { send }: { send: (eventId: string, message: JsonRpcMessage) => Promise<void> },
  ): Promise<string> {
    const { outcome, streamId, isAtEnd } = await this.#scope.replay(lastEventId, send, true);
    if (outcome.kind === "finished") {
      throw new EventStoreError("finished", "The stream has ended, and the client has its final response.");
    }
    if (outcome.kind === "unknown") {
      throw new EventStoreError("unknown-event", `The event id cannot be resumed: ${outcome.reason}.`);
    }
    return isAtEnd ? FINISHED : streamId;
  }

  /**
   * What a replay from this event id would come to now; nothing is sent.
   *
   * @throws {EventStoreError} `closed`; what the log throws.
   */
  inspect(eventId: string): Promise<ReplayOutcome> {
    return this.#scope.inspect(eventId);
  }

  /**
   * Replays what came after an event, and says what became of it. For direct use: what is stored afterwards is not
   * held back, so whoever follows the stream must expect it from another place.
   *
   * @throws {EventStoreError} `closed`; what the log and `send` throw.
   */
  async replay(lastEventId: string, send: Send): Promise<ReplayOutcome> {
    const { outcome } = await this.#scope.replay(lastEventId, send, false);
    return outcome;
  }
}
