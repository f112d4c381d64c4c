// Passes the server's requests (elicitation, sampling, roots) to the app until each is answered, across reloads too.
import { hasCode } from "../errors.js";
import type { JsonRpcNotification, JsonRpcRequest, JsonRpcResponse, RequestId } from "../json-rpc.js";
import { present, type SavedServerRequest } from "../state/client-record.js";
import type { Context } from "./context.js";
import { exchange, type Origin, type Session } from "./session.js";

/** Requests that are kept; more would be a server that asks and never listens. */
const MAX_REQUESTS = 100;

/** A request that the SDK's client, of this life or the next one, has to answer. */
interface OpenRequest extends Pick<SavedServerRequest, "request" | "event" | "call"> {
  readonly session: Session;
}

/**
 * The server's requests: asked until they are answered, also over a reload, and not again after that.
 *
 * The SDK's client gets them under ids of our own, since calls of an earlier session may go on beside the current one
 * and the servers of both count from 0. The answer goes to the session that asked.
 */
export class ServerRequests {
  readonly #context: Context;
  /** What the SDK's client was asked, by our id. */
  readonly #asked = new Map<RequestId, OpenRequest>();
  /** What the next life is to ask again. */
  #kept: readonly OpenRequest[];
  /** The events of what was answered, the newest last. */
  #answered: readonly string[];
  #next = 0;

  constructor(context: Context) {
    this.#context = context;
    const { current, saver } = context;
    this.#answered = saver.restored.answered;
    this.#kept = saver.restored.serverRequests.map(({ session, ...saved }) => ({
      ...saved,
      session: current.restore(session),
    }));
    saver.keep(() => ({
      serverRequests: this.#kept.map(({ session, ...kept }) => ({ ...kept, ...current.reference(session) })),
      answered: this.#answered,
    }));
  }

  /** @returns the request for the SDK's client; `undefined` when it was handed over before. */
  take(request: JsonRpcRequest, { eventId, session, stream }: Origin): JsonRpcRequest | undefined {
    // Event ids are unique within a session (MCP 2025-11-25, Transports, Resumability).
    const event = eventId === undefined ? undefined : JSON.stringify([session.id, eventId, request.id]);
    const isKnown =
      event !== undefined &&
      (this.#answered.includes(event) || this.#kept.some((known) => known.event === event));
    if (isKnown) return undefined;
    const open: OpenRequest = { request, ...present({ event, call: stream.id }), session };
    // To answer a ping again does no harm; many of them would push out what matters.
    if (request.method !== "ping") this.#keep([...this.#kept, open].slice(-MAX_REQUESTS));
    return this.#ask(open);
  }

  /** What an earlier life was asked and did not answer. */
  unanswered(): readonly JsonRpcRequest[] {
    return this.#kept.map((open) => this.#ask(open));
  }

  /** Sends the answer of the SDK's client, until it is accepted. @throws {ResumeError} when it cannot be. */
  async answer(response: JsonRpcResponse): Promise<void> {
    const open = response.id === undefined ? undefined : this.#asked.get(response.id);
    if (open === undefined) {
      await exchange(this.#context.current.session, response, this.#context);
      return;
    }
    try {
      await exchange(open.session, { ...response, id: open.request.id }, this.#context);
    } catch (error) {
      // Else it is asked again in the next life.
      if (hasCode(error, "session-lost", "http")) this.#close(open);
      throw error;
    }
    this.#close(open);
  }

  /** The server takes a request back. @returns the notification for the SDK's client. */
  cancelled(notification: JsonRpcNotification, { session }: Origin): JsonRpcNotification {
    for (const [id, open] of this.#asked) {
      if (open.session.id !== session.id || open.request.id !== notification.params?.requestId) continue;
      this.#close(open);
      return { ...notification, params: { ...notification.params, requestId: id } };
    }
    return notification;
  }

  /** A call is over: the server cannot wait for what it asked on that stream. */
  forgetCall(id: string): void {
    this.#keep(this.#kept.filter(({ call }) => call !== id));
  }

  /** A session is lost, and nobody in it waits for answers. */
  forgetSession({ id }: Session): void {
    this.#keep(this.#kept.filter(({ session }) => session.id !== id));
  }

  #ask(open: OpenRequest): JsonRpcRequest {
    const id = `server-${this.#next++}`;
    this.#asked.set(id, open);
    const [oldest] = this.#asked.keys();
    if (this.#asked.size > MAX_REQUESTS && oldest !== undefined) this.#asked.delete(oldest);
    return { ...open.request, id };
  }

  /** Nobody waits for an answer any more. */
  #close(closed: OpenRequest): void {
    for (const [id, open] of this.#asked) if (open === closed) this.#asked.delete(id);
    const { event, request } = closed;
    if (event !== undefined && request.method !== "ping")
      this.#answered = [...this.#answered, event].slice(-MAX_REQUESTS);
    this.#keep(this.#kept.filter((other) => other !== closed));
  }

  #keep(kept: readonly OpenRequest[]): void {
    this.#kept = kept;
    this.#context.saver.schedule();
  }
}
