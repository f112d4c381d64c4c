import { ResumeError } from "../errors.js";
import type { StreamName } from "../events.js";
import type { JsonRpcNotification, JsonRpcRequest, JsonRpcResponse, RequestId } from "../json-rpc.js";
import { exchange, Session } from "./session.js";
import type { SavedServerRequest, SessionState } from "../state/session-state.js";
import type { Link } from "../stream/task.js";

/** Requests that are kept; more would be a server that asks and never listens. */
const MAX_REQUESTS = 100;

/** Where a message of the server came from. */
export interface Origin {
  readonly stream: StreamName;
  readonly session: Session;
  /** The event that carried it. */
  readonly eventId: string | undefined;
}

interface OpenRequest {
  readonly saved: SavedServerRequest;
  readonly session: Session;
}

export interface ServerRequestsOptions {
  readonly state: SessionState;
  readonly link: Link;
  readonly signal: AbortSignal;
  readonly currentSession: () => Session;
}

/**
 * The server's requests (elicitation, sampling, roots): asked until they are answered, also over a reload, and not
 * again after that.
 *
 * The SDK's client gets them under ids of our own, since calls of an earlier session may go on beside the current one
 * and the servers of both count from 0. The answer goes to the session that asked.
 */
export class ServerRequests {
  readonly #options: ServerRequestsOptions;
  readonly #open = new Map<RequestId, OpenRequest>();
  #next = 0;

  constructor(options: ServerRequestsOptions) {
    this.#options = options;
  }

  /** @returns the request for the SDK's client; `undefined` when it was handed over before. */
  take(request: JsonRpcRequest, origin: Origin | undefined): JsonRpcRequest | undefined {
    const { currentSession, state } = this.#options;
    const session = origin?.session ?? currentSession();
    // Event ids are unique within a session (MCP 2025-11-25, Transports, Resumability).
    const event =
      origin?.eventId === undefined ? undefined : JSON.stringify([session.id, origin.eventId, request.id]);
    const { answered, serverRequests } = state.record;
    const isKnown =
      event !== undefined &&
      (answered.includes(event) || serverRequests.some((known) => known.event === event));
    if (isKnown) return undefined;
    const call = origin?.stream.id;
    const saved: SavedServerRequest = {
      request,
      ...(event === undefined ? {} : { event }),
      ...(call === undefined ? {} : { call }),
      ...(session === currentSession() ? {} : { session: session.toJSON() }),
    };
    if (request.method !== "ping") {
      state.change((record) => {
        record.serverRequests = [...record.serverRequests, saved].slice(-MAX_REQUESTS);
      });
    }
    return this.#hand({ saved, session });
  }

  /** What an earlier life was asked and did not answer. */
  unanswered(): readonly JsonRpcRequest[] {
    const { currentSession, state } = this.#options;
    return state.record.serverRequests.map((saved) =>
      this.#hand({
        saved,
        session: saved.session === undefined ? currentSession() : new Session(saved.session),
      }),
    );
  }

  /** Sends the answer of the SDK's client, until it is accepted. @throws {ResumeError} when it cannot be. */
  async answer(response: JsonRpcResponse): Promise<void> {
    const { currentSession, link, signal } = this.#options;
    const open = response.id === undefined ? undefined : this.#open.get(response.id);
    if (open === undefined) {
      await exchange(currentSession(), response, link, signal);
      return;
    }
    try {
      await exchange(open.session, { ...response, id: open.saved.request.id }, link, signal);
    } catch (error) {
      // Else it is asked again in the next life.
      if (error instanceof ResumeError && /^(session-lost|http)$/.test(error.code)) this.#close(open.saved);
      throw error;
    }
    this.#close(open.saved);
  }

  /** The server takes a request back. @returns the notification for the SDK's client. */
  cancelled(notification: JsonRpcNotification, origin: Origin | undefined): JsonRpcNotification {
    const session = origin?.session ?? this.#options.currentSession();
    for (const [id, open] of this.#open) {
      if (open.session.id !== session.id || open.saved.request.id !== notification.params?.requestId)
        continue;
      this.#close(open.saved);
      return { ...notification, params: { ...notification.params, requestId: id } };
    }
    return notification;
  }

  #hand(open: OpenRequest): JsonRpcRequest {
    const id = `server-${this.#next++}`;
    this.#open.set(id, open);
    const [oldest] = this.#open.keys();
    if (this.#open.size > MAX_REQUESTS && oldest !== undefined) this.#open.delete(oldest);
    return { ...open.saved.request, id };
  }

  /** Nobody waits for an answer any more. */
  #close(saved: SavedServerRequest): void {
    for (const [id, open] of this.#open) if (open.saved === saved) this.#open.delete(id);
    const { event, request } = saved;
    this.#options.state.change((record) => {
      record.serverRequests = record.serverRequests.filter((other) => other !== saved);
      // To answer a ping again does no harm; many of them would push out what matters.
      if (event !== undefined && request.method !== "ping")
        record.answered = [...record.answered, event].slice(-MAX_REQUESTS);
    });
  }
}
