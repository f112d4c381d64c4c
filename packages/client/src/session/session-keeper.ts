import { backoff } from "../stream/backoff.js";
import { ResumeError } from "../errors.js";
import {
  isResponse,
  type JsonRpcMessage,
  type JsonRpcRequest,
  type JsonRpcResponse,
  type Params,
} from "../json-rpc.js";
import type { Origin } from "./server-requests.js";
import { exchange, Session } from "./session.js";
import type { SessionState } from "../state/session-state.js";
import { listChanges, settingRequests } from "./settings.js";
import { sleep, within } from "../wait/abortable.js";
import type { Link } from "../stream/task.js";
import type { WireIds } from "./wire-ids.js";

/** A session that lives so long, in milliseconds, was no failure. */
const LASTING_MS = 30_000;

export interface SessionKeeperOptions {
  readonly state: SessionState;
  readonly ids: WireIds;
  readonly link: Link;
  readonly signal: AbortSignal;
  /** Takes messages for the SDK's client. */
  readonly receive: (message: JsonRpcMessage, origin?: Origin) => void;
  readonly onReplaced: (cause: Error) => void;
  readonly onError: (error: Error) => void;
}

interface Handshake {
  readonly params: Params;
  readonly result: Params;
}

/** Makes the session, gives it to the next life, and makes a new one when the server has lost it. */
export class SessionKeeper {
  readonly #options: SessionKeeperOptions;
  readonly #saved: Handshake | undefined;
  /** What a new handshake came to, until the server was told that it is over. */
  #begun: { readonly session: Session; readonly handshake: Handshake } | undefined;
  #current: Session;
  #replacing: Promise<Session> | undefined;
  #beginning: Promise<unknown> = Promise.resolve();
  #replacedAt = 0;
  #attempt = 0;

  constructor(options: SessionKeeperOptions) {
    this.#options = options;
    const { session, initialize } = options.state.record;
    this.#saved = initialize;
    this.#current = new Session(session);
    if (initialize !== undefined) this.#current.accept(initialize.result);
  }

  get current(): Session {
    return this.#current;
  }

  /**
   * The SDK's handshake. It is answered from the saved exchange when that was made with the same parameters, so
   * that connecting costs no round trip and the client has its capabilities; else there is a new session.
   */
  async initialize(request: JsonRpcRequest): Promise<JsonRpcResponse> {
    const params = request.params ?? {};
    if (this.#saved !== undefined && JSON.stringify(this.#saved.params) === JSON.stringify(params))
      return { jsonrpc: "2.0", id: request.id, result: this.#saved.result };
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
      if (this.#saved === undefined) return await this.#ask(new Session(), request);
    } catch (error) {
      if (!(error instanceof ResumeError) || error.code !== "http") throw error;
    }
    return { jsonrpc: "2.0", id: request.id, error: { code: -32601, message: "Method not found" } };
  }

  /** The handshake is over. A restored session was told so by the life that began it. */
  async initialized(notification: JsonRpcMessage): Promise<void> {
    if (this.#begun === undefined) return;
    const { handshake, session } = this.#begun;
    const { link, signal, state } = this.#options;
    await exchange(session, notification, link, signal);
    this.#begun = undefined;
    this.#adopt(session, handshake);
    state.change((record) => {
      record.logLevel = undefined;
      record.subscriptions = [];
    });
  }

  /** The version that the SDK's client settled on. */
  setProtocolVersion(version: string): void {
    (this.#begun?.session ?? this.#current).protocolVersion = version;
  }

  /**
   * Makes a new session in place of a lost one: once, however many streams notice.
   *
   * @throws {ResumeError} when that fails.
   */
  async replace(lost: Session, cause: ResumeError): Promise<Session> {
    if (lost !== this.#current) return this.#current;
    const { link, signal } = this.#options;
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
    const { link, signal } = this.#options;
    const session = this.#current;
    try {
      await exchange(session, notification, link, signal);
    } catch (error) {
      if (!(error instanceof ResumeError) || error.code !== "session-lost") throw error;
      await exchange(await this.successorOf(session, error, signal), notification, link, signal);
    }
  }

  /** The session to end: a new one, when one is being made and the server grants it in time. */
  async last(): Promise<Session> {
    const { link, signal } = this.#options;
    await within(this.#beginning, link.http.answerTimeoutMs, signal).catch(() => undefined);
    return this.#current;
  }

  async #replace(cause: ResumeError): Promise<Session> {
    const { link, onError, onReplaced, receive, signal, state } = this.#options;
    const { initialize } = state.record;
    if (initialize === undefined) throw cause;
    // Several nodes without a common store forget each session at once: they must not be stormed.
    this.#attempt = Date.now() - this.#replacedAt < LASTING_MS ? this.#attempt + 1 : 0;
    const none = { retryMs: undefined, retryAfterMs: undefined };
    await sleep(backoff({ attempt: this.#attempt, ...none, random: link.random() }).delayMs, signal);
    this.#replacedAt = Date.now();
    const beginning = this.#begin(initialize.params);
    this.#beginning = beginning;
    const { result, session } = await beginning;
    for (const setting of settingRequests(state.record)) {
      await this.#ask(session, setting).catch((error: unknown) => {
        signal.throwIfAborted();
        onError(error as Error);
      });
    }
    onReplaced(cause);
    for (const change of listChanges(result)) receive(change);
    return session;
  }

  /** Makes a new session in place of a lost one. */
  async #begin(params: Params): Promise<{ readonly session: Session; readonly result: Params }> {
    const { link, signal, state } = this.#options;
    const session = new Session();
    const answer = await this.#ask(session, { jsonrpc: "2.0", id: 0, method: "initialize", params });
    if (!("result" in answer))
      throw new ResumeError("session-lost", answer.error.message, { cause: answer.error });
    const { result } = answer;
    session.accept(result);
    await exchange(session, { jsonrpc: "2.0", method: "notifications/initialized" }, link, signal);
    const lost = this.#current.id;
    this.#adopt(session, { params, result });
    state.change((record) => {
      record.serverRequests = record.serverRequests.filter((request) => request.session?.id !== lost);
    });
    return { session, result };
  }

  async #ask(session: Session, request: JsonRpcRequest): Promise<JsonRpcResponse> {
    const { ids, link, receive, signal } = this.#options;
    const wire = ids.outgoing(request);
    try {
      const answer = await exchange(session, wire, link, signal, (message) =>
        receive(message, { stream: { id: wire.id, method: wire.method }, session, eventId: undefined }),
      );
      if (answer === undefined || !isResponse(answer))
        throw new ResumeError("protocol", `The server accepted ${request.method} without answering it`);
      return { ...answer, id: request.id };
    } finally {
      ids.release(wire.id, false);
    }
  }

  #adopt(session: Session, { params, result }: Handshake): void {
    const earlier = this.#current.toJSON();
    this.#current = session;
    this.#options.state.change((record) => {
      // What belongs to the earlier session finishes there, if it still lives.
      for (const call of record.calls) call.session ??= earlier;
      for (const request of record.serverRequests) request.session ??= earlier;
      record.session = session.toJSON();
      record.initialize = { params, result };
      record.listenCursor = undefined;
    });
  }
}
