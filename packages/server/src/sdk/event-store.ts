// Implements `EventStore`: hands out a store for each session, and stores streams that belong to no session itself.

import { EventStoreError } from "../log/errors.js";
import { begin } from "../log/waits.js";
import { parseEventId } from "../store/event-id.js";
import { type JsonRpcMessage, STANDALONE_STREAM_ID } from "../store/messages.js";
import { OpenStore } from "../store/open-store.js";
import type { EventStoreOptions } from "../store/options.js";
import { checkSessionId } from "../store/stream-names.js";
import type { ReplayOutcome } from "../store/resume-verdict.js";
import type { Send } from "./resume.js";
import { SessionEventStore } from "./session-event-store.js";
import { SessionScopes } from "./session-scopes.js";
import { UnscopedStreams } from "./unscoped-streams.js";

/**
 * Keeps the events of MCP streams, so that a client that lost its connection can have what it missed.
 *
 * A transport takes {@link EventStore.forSession}. The store's own `storeEvent` and `replayEventsAfter` are for direct
 * use; their streams belong to no session, and a transport that is given the store itself is refused.
 *
 * **What is dropped when.** The oldest events of a stream, once it has more than `maxEventsPerStream` or takes more
 * than `maxBytesPerStream`; an event, once it is `ttl` old. A resume from before what was dropped is a gap. The whole
 * stream, `headTtl` after its last event, or with its last event if it had a final response; a resume is then unknown.
 */
export class EventStore {
  readonly #store: OpenStore;
  readonly #unscoped: UnscopedStreams;
  readonly #scopes: SessionScopes;

  /** @throws {EventStoreError} `invalid-option` */
  constructor(options: EventStoreOptions = {}) {
    this.#store = new OpenStore(options);
    this.#unscoped = new UnscopedStreams(this.#store);
    this.#scopes = new SessionScopes(this.#store);
  }

  /** How many messages of sessions went out live because they could not be stored, since the store was made. */
  get unstoredCount(): number {
    return this.#store.unstoredCount;
  }

  /**
   * The event store of one session, for the transport that serves it:
   *
   * ```ts
   * const sessionId = crypto.randomUUID();
   * new StreamableHTTPServerTransport({
   *   sessionIdGenerator: () => sessionId,
   *   eventStore: store.forSession(sessionId),
   *   onsessionclosed: (id) => store.endSession(id),
   * });
   * ```
   *
   * @throws {EventStoreError} `closed`; `invalid-stream` when the session id is empty, too long or no string.
   */
  forSession(sessionId: string): SessionEventStore {
    checkSessionId(sessionId);
    this.#store.assertOpen();
    return new SessionEventStore(this.#scopes.of(sessionId));
  }

  /**
   * Deletes all streams of a session, also those that another process, or this one before a restart, has written.
   *
   * @throws {EventStoreError} `closed`, `invalid-stream`; what the log throws: call it again then.
   */
  async endSession(sessionId: string): Promise<void> {
    checkSessionId(sessionId);
    this.#store.assertOpen();
    await this.#store.track(this.#scopes.of(sessionId).end());
    this.#scopes.delete(sessionId);
  }

  /**
   * Stores an event in a stream of no session.
   *
   * @param message `null` for a priming event: it has an id, is a valid cursor, and is never replayed.
   * @returns the event's id, once the event is in the log; ids are given in the order of the calls.
   * @throws {EventStoreError} `unscoped` when a transport calls it; `closed`, `invalid-stream`, `invalid-message`,
   * `overloaded`; what the log throws.
   */
  storeEvent(streamId: string, message: JsonRpcMessage | null): Promise<string> {
    return begin(() => {
      if (isOfTransport(streamId, message)) throw unscopedError();
      return this.#unscoped.store(streamId, message);
    });
  }

  /**
   * Sends what came after an event of a stream of no session.
   *
   * @returns the stream's id; `undefined` when the id cannot be resumed, see {@link EventStore.replay} for the reason.
   * @throws {EventStoreError} `unscoped` when a transport calls it; `closed`; what the log and `send` throw.
   */
  async replayEventsAfter(lastEventId: string, send: Send): Promise<string | undefined> {
    const outcome = await this.replay(lastEventId, send);
    const wasResumed = outcome.kind === "resumed" || outcome.kind === "gap";
    return wasResumed ? parseEventId(lastEventId)?.stream : undefined;
  }

  /**
   * Sends what came after an event of a stream of no session, and says what became of it.
   *
   * @throws {EventStoreError} `closed`; what the log and `send` throw.
   */
  replay(lastEventId: string, send: Send): Promise<ReplayOutcome> {
    return begin(() => {
      // A transport passes an object.
      if (typeof send !== "function") throw unscopedError();
      return this.#unscoped.replay(lastEventId, send);
    });
  }

  /**
   * What a replay from this event id would come to now; nothing is sent.
   *
   * @throws {EventStoreError} `closed`; what the log throws.
   */
  inspect(eventId: string): Promise<ReplayOutcome> {
    return begin(() => this.#unscoped.inspect(eventId));
  }

  /**
   * Refuses: only a transport asks, and a transport must be given {@link EventStore.forSession}.
   *
   * @throws {EventStoreError} `unscoped`, always.
   */
  getStreamIdForEventId(): never {
    throw unscopedError();
  }

  /**
   * Waits for what is under way, each for no longer than `operationTimeoutMs`, and refuses what comes later. Sessions
   * go on live, without being stored. A log that was handed in stays open.
   */
  close(): Promise<void> {
    return this.#store.close();
  }
}

/**
 * Whether only a transport can have made the call: `{}` is the SDKs' priming event, no JSON-RPC message, and their
 * standalone stream has this very name. Without either the transport is found out before it can read anything: it
 * calls `getStreamIdForEventId`, and hands `replayEventsAfter` an object.
 */
function isOfTransport(streamId: string, message: object | null): boolean {
  return streamId === STANDALONE_STREAM_ID || (message !== null && Object.keys(message).length === 0);
}

function unscopedError(): EventStoreError {
  return new EventStoreError(
    "unscoped",
    "An EventStore was given to a transport. Its sessions would read one another's events; " +
      "give the transport eventStore: store.forSession(sessionId) instead.",
  );
}
