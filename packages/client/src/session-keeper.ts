import { ResumeError } from "./errors.js";
import { isResponse, type JsonRpcMessage, type JsonRpcRequest, type Params } from "./json-rpc.js";
import { exchange, reinitialize, Session } from "./session.js";
import type { SessionState } from "./session-state.js";
import { listChanges, settingRequests } from "./settings.js";
import type { Link } from "./stream-task.js";
import type { WireIds } from "./wire-ids.js";

export interface SessionKeeperOptions {
  readonly state: SessionState;
  readonly ids: WireIds;
  readonly link: Link;
  readonly signal: AbortSignal;
  /** Takes messages for the SDK's client. */
  readonly receive: (message: JsonRpcMessage) => void;
  readonly onReplaced: (cause: Error) => void;
}

/** Makes the session, gives it to the next life, and makes a new one when the server has lost it. */
export class SessionKeeper {
  readonly #options: SessionKeeperOptions;
  readonly #saved: { readonly params: Params; readonly result: Params } | undefined;
  #current: Session;
  #isRestored = false;
  #replacing: Promise<Session> | undefined;

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

  /** Whether the handshake was answered from the saved exchange. */
  get isRestored(): boolean {
    return this.#isRestored;
  }

  /**
   * The SDK's handshake. It is answered from the saved exchange when that was made with the same parameters, so
   * that connecting costs no round trip and the client has its capabilities; else there is a new session.
   */
  async initialize(request: JsonRpcRequest): Promise<JsonRpcMessage> {
    const saved = this.#saved;
    if (saved !== undefined && JSON.stringify(saved.params) === JSON.stringify(request.params ?? {})) {
      this.#isRestored = true;
      return { jsonrpc: "2.0", id: request.id, result: saved.result };
    }
    const { ids, link, receive, signal } = this.#options;
    const session = new Session();
    const wire = ids.outgoing(request);
    try {
      const answer = await exchange(session, wire, link, signal, receive);
      if (answer === undefined || !isResponse(answer)) {
        throw new ResumeError("protocol", "The server accepted initialize without answering it");
      }
      if ("result" in answer) this.#adopt(session, request.params ?? {}, answer.result);
      return { ...answer, id: request.id };
    } finally {
      ids.release(wire.id, false);
    }
  }

  /** The version that the SDK's client settled on. */
  setProtocolVersion(version: string): void {
    this.#current.protocolVersion = version;
    this.#options.state.change((record) => (record.session = this.#current.toJSON()));
  }

  /**
   * Makes a new session in place of a lost one: once, however many streams notice.
   *
   * @throws {ResumeError} `session-lost` when that fails.
   */
  async replace(lost: Session, cause: ResumeError): Promise<Session> {
    if (lost !== this.#current) return this.#current;
    this.#replacing ??= this.#replace(cause).finally(() => (this.#replacing = undefined));
    return this.#replacing;
  }

  async #replace(cause: ResumeError): Promise<Session> {
    const { ids, link, onReplaced, receive, signal, state } = this.#options;
    const { initialize } = state.record;
    if (initialize === undefined) throw cause;
    const wire = ids.outgoing({ jsonrpc: "2.0", id: 0, method: "initialize", params: initialize.params });
    const { session, result } = await reinitialize(wire, link, signal).finally(() =>
      ids.release(wire.id, false),
    );
    this.#adopt(session, initialize.params, result);
    for (const setting of settingRequests(state.record)) {
      const request = ids.outgoing(setting);
      await exchange(session, request, link, signal).finally(() => ids.release(request.id, false));
    }
    onReplaced(cause);
    for (const change of listChanges(result)) receive(change);
    return session;
  }

  #adopt(session: Session, params: Params, result: Params): void {
    session.accept(result);
    const earlier = this.#current.toJSON();
    this.#current = session;
    this.#options.state.change((record) => {
      // The calls of the earlier session finish there, if it still lives.
      for (const call of record.calls) call.session ??= earlier;
      record.session = session.toJSON();
      record.initialize = { params, result };
      record.listenCursor = undefined;
      record.serverRequests = [];
    });
  }
}
