// Opens the session, restores it after a reload or restart, and replaces it when the server has lost it.
import { hasCode, ResumeError } from "../errors.js";
import { isResponse, type JsonRpcMessage, type JsonRpcRequest, type JsonRpcResponse } from "../json-rpc.js";
import type { Handshake } from "../state/client-record.js";
import { backoff } from "../stream/backoff.js";
import { sleep, within } from "../wait/abortable.js";
import type { Context } from "./context.js";
import type { Inbox } from "./inbox.js";
import type { ServerRequests } from "./server-requests.js";
import { exchange, Session } from "./session.js";
import { listChanges, Settings } from "./settings.js";

/** A session that lives so long, in milliseconds, was no failure. */
const LASTING_MS = 30_000;

/** A session, and what began it. */
interface Begun {
  readonly session: Session;
  readonly handshake: Handshake;
}

export class SessionKeeper {
  readonly #context: Context;
  readonly #serverRequests: ServerRequests;
  readonly #inbox: Inbox;
  /** The handshake of the life before. */
  readonly #restored: Handshake | undefined;
  /** What calls have set for the whole session. */
  readonly settings: Settings;
  /** A new session has taken the place of a lost one. */
  onreplaced: ((cause: Error) => void) | undefined;
  /** What a new handshake came to, until the server was told that it is over. */
  #begun: Begun | undefined;
  #replacing: Promise<Session> | undefined;
  #beginning: Promise<unknown> = Promise.resolve();
  #replacedAt = 0;
  #attempt = 0;

  constructor(context: Context, serverRequests: ServerRequests, inbox: Inbox) {
    this.#context = context;
    this.#serverRequests = serverRequests;
    this.#inbox = inbox;
    this.#restored = context.current.handshake;
    this.settings = new Settings(context.saver);
  }

  /**
   * The SDK's handshake. It is answered from the saved exchange when that was made with the same parameters, so
   * that connecting costs no round trip and the client has its capabilities; else there is a new session.
   */
  async initialize(request: JsonRpcRequest): Promise<JsonRpcResponse> {
    const params = request.params ?? {};
    if (this.#restored !== undefined && JSON.stringify(this.#restored.params) === JSON.stringify(params))
      return { jsonrpc: "2.0", id: request.id, result: this.#restored.result };
    const session = new Session();
    const answer = await this.#ask(session, request);
    if ("result" in answer) {
      session.accept(answer.result);
      this.#begun = { session, handshake: { params, result: answer.result } };
    }
    return answer;
  }

  /**
   * The question of an SDK 2.x client in `auto` mode, before the handshake. A server of the 2025 revisions refuses
   * it for want of a session; the SDK tells that from a failure by a JSON-RPC error. One that is known needs no
   * asking.
   */
  async discover(request: JsonRpcRequest): Promise<JsonRpcResponse> {
    try {
      if (this.#restored === undefined) return await this.#ask(new Session(), request);
    } catch (error) {
      if (!hasCode(error, "http")) throw error;
    }
    return { jsonrpc: "2.0", id: request.id, error: { code: -32601, message: "Method not found" } };
  }

  /** The handshake is over. A restored session was told so by the life that began it. */
  async initialized(notification: JsonRpcMessage): Promise<void> {
    if (this.#begun === undefined) return;
    const { handshake, session } = this.#begun;
    await exchange(session, notification, this.#context);
    this.#begun = undefined;
    this.#context.current.adopt(session, handshake);
    this.settings.clear();
  }

  /** The version that the SDK's client settled on. */
  setProtocolVersion(version: string): void {
    (this.#begun?.session ?? this.#context.current.session).protocolVersion = version;
  }

  /**
   * Makes a new session in place of a lost one: once, however many streams notice.
   *
   * @throws {ResumeError} when that fails.
   */
  async replace(lost: Session, cause: ResumeError): Promise<Session> {
    const { current, link, signal } = this.#context;
    if (lost !== current.session) return current.session;
    // A server may accept the handshake and never answer it.
    this.#replacing ??= within(this.#replace(cause), link.maxElapsedMs, signal).finally(
      () => (this.#replacing = undefined),
    );
    return this.#replacing;
  }

  /** The same for a call, which may be given up meanwhile. @throws {ResumeError} `session-lost` when there is none. */
  async successorOf(lost: Session, error: ResumeError, signal: AbortSignal): Promise<Session> {
    try {
      return await within(this.replace(lost, error), undefined, signal);
    } catch (cause) {
      signal.throwIfAborted();
      const message = "The server lost the session, and no new one could be made";
      throw new ResumeError("session-lost", message, { cause, maybeExecuted: error.maybeExecuted });
    }
  }

  /** Sends a notification, in a new session when the server has lost the current one. @throws {ResumeError} */
  async notify(notification: JsonRpcMessage): Promise<void> {
    const { current, signal } = this.#context;
    const { session } = current;
    try {
      await exchange(session, notification, this.#context);
    } catch (error) {
      if (!hasCode(error, "session-lost")) throw error;
      await exchange(await this.successorOf(session, error, signal), notification, this.#context);
    }
  }

  /** The session to end: a new one, when one is being made and the server grants it in time. */
  async last(): Promise<Session> {
    const { current, link, signal } = this.#context;
    await within(this.#beginning, link.answerTimeoutMs, signal).catch(() => undefined);
    return current.session;
  }

  async #replace(cause: ResumeError): Promise<Session> {
    const { current, link, onError, signal } = this.#context;
    const { handshake } = current;
    if (handshake === undefined) throw cause;
    // Several nodes without a common store forget each session at once: they must not be stormed.
    this.#attempt = Date.now() - this.#replacedAt < LASTING_MS ? this.#attempt + 1 : 0;
    const none = { retryMs: undefined, retryAfterMs: undefined };
    await sleep(backoff({ attempt: this.#attempt, ...none, random: link.random() }).delayMs, signal);
    this.#replacedAt = Date.now();
    const beginning = this.#begin(handshake);
    this.#beginning = beginning;
    const { handshake: begun, session } = await beginning;
    for (const setting of this.settings.requests()) {
      await this.#ask(session, setting).catch((error: unknown) => {
        signal.throwIfAborted();
        onError(error as Error);
      });
    }
    this.onreplaced?.(cause);
    const stream = { id: undefined, method: undefined };
    for (const change of listChanges(begun.result))
      this.#inbox.receive(change, { stream, session, eventId: undefined });
    return session;
  }

  /** Makes a new session in place of a lost one, by the same handshake. */
  async #begin({ params }: Handshake): Promise<Begun> {
    const { current } = this.#context;
    const session = new Session();
    const answer = await this.#ask(session, { jsonrpc: "2.0", id: 0, method: "initialize", params });
    if (!("result" in answer))
      throw new ResumeError("session-lost", answer.error.message, { cause: answer.error });
    const handshake = { params, result: answer.result };
    session.accept(answer.result);
    await exchange(session, { jsonrpc: "2.0", method: "notifications/initialized" }, this.#context);
    const lost = current.session;
    current.adopt(session, handshake);
    this.#serverRequests.forgetSession(lost);
    return { session, handshake };
  }

  async #ask(session: Session, request: JsonRpcRequest): Promise<JsonRpcResponse> {
    const { ids } = this.#context;
    const wire = ids.outgoing(request);
    const origin = { stream: { id: wire.id, method: wire.method }, session, eventId: undefined };
    try {
      const answer = await exchange(session, wire, this.#context, (message) =>
        this.#inbox.receive(message, origin),
      );
      if (answer === undefined || !isResponse(answer))
        throw new ResumeError("protocol", `The server accepted ${request.method} without answering it`);
      return { ...answer, id: request.id };
    } finally {
      ids.release(wire.id, false);
    }
  }
}
