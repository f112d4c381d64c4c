import { Acknowledgements } from "./acknowledgements.js";
import { Calls } from "./calls.js";
import { ResumeError } from "./errors.js";
import { type StreamName, TransportEvents, type TransportStatus } from "./events.js";
import type { InterruptedCall } from "./interrupted.js";
import { isRequest, isResponse, type JsonRpcMessage, type Params } from "./json-rpc.js";
import { createLink } from "./link.js";
import { type HttpOptions, openStream } from "./open-stream.js";
import {
  type ResumableTransportOptions,
  type ValidOptions,
  validateOptions,
  validateUrl,
} from "./options.js";
import { Resendable } from "./resendable.js";
import { exchange, type Session } from "./session.js";
import { SessionKeeper } from "./session-keeper.js";
import { SessionState } from "./session-state.js";
import { Standalone } from "./standalone.js";
import type { Slot } from "./state-store.js";
import type { Link } from "./stream-task.js";
import { WireIds } from "./wire-ids.js";

/** Unanswered requests of the server that are kept; more would be a server that asks and never listens. */
const MAX_SERVER_REQUESTS = 100;

/** What there is between `start()` and `close()`. */
interface Life {
  readonly link: Link;
  readonly state: SessionState;
  readonly keeper: SessionKeeper;
  readonly calls: Calls;
  readonly standalone: Standalone;
}

/**
 * An MCP client transport over Streamable HTTP (2025-03-26, 2025-06-18, 2025-11-25) that survives dropped
 * connections, reloads and restarts. It is the SDK's `Transport`, of 1.x and of 2.x: pass it to `client.connect()`.
 *
 * What is guaranteed, and what a failed call says, is in PROTOCOL.md.
 */
export class ResumableTransport extends TransportEvents {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JsonRpcMessage) => void;

  readonly #options: ValidOptions;
  readonly #http: HttpOptions;
  readonly #abort = new AbortController();
  readonly #ids = new WireIds();
  readonly #resendable = new Resendable();
  readonly #acknowledgements: Acknowledgements;
  #status: TransportStatus = { state: "connecting" };
  #life: Life | undefined;
  #isStarted = false;
  #isConnected = false;

  /**
   * @param url - the MCP endpoint
   * @throws {ResumeError} `invalid-option`
   */
  constructor(url: string | URL, options: ResumableTransportOptions) {
    super();
    const valid = validateOptions(options);
    this.#options = valid;
    this.#acknowledgements = new Acknowledgements(valid.ack === "manual");
    this.#http = {
      url: validateUrl(url),
      fetch: valid.fetch,
      headers: valid.headers,
      credentials: valid.credentials,
      authProvider: valid.authProvider,
      maxMessageLength: valid.maxMessageLength,
      answerTimeoutMs: valid.answerTimeoutMs,
    };
  }

  /** The session's id, once the handshake is over. Before that the SDKs would skip the handshake. */
  get sessionId(): string | undefined {
    return this.#isConnected ? this.#life?.keeper.current.id : undefined;
  }

  /** How the transport is doing; `statuschange` tells when that changes. */
  get status(): TransportStatus {
    return this.#status;
  }

  /** Takes the saved state. Called by the SDK's `connect()`. @throws {ResumeError} `closed` when called twice. */
  async start(): Promise<void> {
    if (this.#isStarted) throw new ResumeError("closed", "The transport was started before; make a new one");
    this.#isStarted = true;
    const { signal } = this.#abort;
    const slot = await this.#acquire(signal);
    const state = await SessionState.open(slot, this.#options.maxAgeMs, (error) => this.onerror?.(error));
    if (signal.aborted) {
      await state.release();
      throw signal.reason as Error;
    }
    const link = this.#link();
    const receive = (message: JsonRpcMessage, stream?: StreamName): void =>
      this.#receive(state, message, stream);
    const onError = (error: Error): void => this.onerror?.(error);
    const common = { state, ids: this.#ids, link, signal, receive, onError };
    const onReplaced = (cause: Error): void => {
      this.#life?.standalone.restart();
      this.dispatch("sessionreplaced", { cause });
    };
    const keeper = new SessionKeeper({ ...common, onReplaced });
    const acknowledgements = this.#acknowledgements;
    const onCursor = (stream: StreamName, eventId: string, persisted: boolean): void =>
      this.dispatch("cursor", { stream, eventId, persisted });
    const calls = new Calls({
      ...common,
      keeper,
      acknowledgements,
      onCursor,
      resendable: this.#resendable,
      saveParams: this.#options.saveParams,
      maxQueuedMessages: this.#options.maxQueuedMessages,
      notify: async (session, message) => {
        await exchange(session, message, link, signal);
      },
    });
    const standalone = new Standalone({ ...common, keeper, acknowledgements, onCursor });
    this.#life = { link, state, keeper, calls, standalone };
  }

  /**
   * Sends a message. For a request it settles when the response was handed to `onmessage`, or rejects when none can
   * come any more: the SDK's client hands that error to the caller.
   *
   * @throws {ResumeError} see {@link ResumeErrorCode}
   */
  async send(
    message: JsonRpcMessage,
    options?: { readonly resumptionToken?: string | undefined },
  ): Promise<void> {
    const life = this.#life;
    if (life === undefined || this.#abort.signal.aborted) throw this.#closed();
    if (options?.resumptionToken !== undefined) {
      throw new ResumeError(
        "invalid-option",
        "resumptionToken is not needed here: interrupted() lists what goes on",
      );
    }
    if (isRequest(message)) {
      if (message.method !== "initialize") return life.calls.run(message);
      const answer = await life.keeper.initialize(message);
      queueMicrotask(() => this.#hand(answer));
    } else if (isResponse(message)) {
      await this.#exchange(life, life.keeper.current, message);
      life.state.change((record) => {
        record.serverRequests = record.serverRequests.filter(({ id }) => id !== message.id);
      });
    } else if (message.method === "notifications/initialized") {
      if (!life.keeper.isRestored) await this.#exchange(life, life.keeper.current, message);
      this.#connected(life);
    } else if (message.method === "notifications/cancelled") await this.#cancel(life, message.params ?? {});
    else await this.#exchange(life, life.keeper.current, message);
  }

  /** The protocol version that the SDK's client settled on. */
  setProtocolVersion(version: string): void {
    this.#life?.keeper.setProtocolVersion(version);
  }

  /** The requests of this client's previous life that nobody has claimed yet. */
  interrupted(): readonly InterruptedCall[] {
    return this.#life?.calls.interrupted() ?? [];
  }

  /** Everything that was handed over so far is handled: for `ack: "manual"`. */
  ack(): void {
    this.#acknowledgements.acknowledge();
  }

  /**
   * Ends the session at the server and forgets the saved state. A server may refuse that with 405.
   *
   * @throws {ResumeError} `http` when the server refuses otherwise; the saved state is forgotten all the same.
   */
  async terminateSession(): Promise<void> {
    const life = this.#life;
    if (life === undefined) return;
    life.standalone.stop();
    const session = life.keeper.current;
    this.#acknowledgements.drop();
    await life.state.clear();
    if (session.id === undefined) return;
    const opened = await openStream(this.#http, session, { method: "DELETE" }, this.#abort.signal);
    session.id = undefined;
    if (opened.kind === "refused" && opened.status !== 405 && opened.status !== 404) {
      throw new ResumeError(
        "http",
        `The server refused to end the session (HTTP status ${opened.status})`,
        opened,
      );
    }
  }

  /** Ends every connection and gives the saved state back, for the next life to go on with. */
  async close(): Promise<void> {
    if (this.#abort.signal.aborted) return;
    this.#abort.abort(new ResumeError("closed", "The transport was closed"));
    // What was handed over in this very tick has its handlers run before the next one.
    await new Promise((resolve) => setTimeout(resolve, 0));
    this.#acknowledgements.drop();
    await this.#life?.state.release().catch((error: unknown) => this.onerror?.(error as Error));
    this.#publish({ state: "closed" });
    this.onclose?.();
  }

  async #acquire(signal: AbortSignal): Promise<Slot | undefined> {
    try {
      const scope = { serverUrl: this.#http.url, partition: this.#options.partition };
      return await this.#options.store.acquire(scope, signal);
    } catch (cause) {
      signal.throwIfAborted();
      const message = "The state store cannot be used; this life's state is kept in memory";
      this.onerror?.(
        cause instanceof ResumeError ? cause : new ResumeError("state-unavailable", message, { cause }),
      );
      return undefined;
    }
  }

  /** The handshake is over: what the previous life left goes on, and the standalone stream opens. */
  #connected(life: Life): void {
    this.#isConnected = true;
    this.#publish({ state: "live" });
    const unanswered = life.keeper.isRestored ? life.state.record.serverRequests : [];
    // After the SDK's client has finished connecting.
    setTimeout(() => {
      if (this.#abort.signal.aborted) return;
      for (const request of unanswered) this.#hand(request);
      life.calls.resume();
      life.standalone.start();
    }, 0);
  }

  async #cancel(life: Life, params: Params): Promise<void> {
    const { requestId } = params;
    const id = typeof requestId === "string" || typeof requestId === "number" ? requestId : undefined;
    const running = id === undefined ? undefined : life.calls.cancel(id);
    if (running === undefined) return;
    const method = "notifications/cancelled";
    await this.#exchange(life, running.session, {
      jsonrpc: "2.0",
      method,
      params: { ...params, requestId: running.wireId },
    });
  }

  async #exchange(life: Life, session: Session, message: JsonRpcMessage): Promise<void> {
    await exchange(session, message, life.link, this.#abort.signal);
  }

  /** Takes what the server sent, on whatever stream. */
  #receive(state: SessionState, message: JsonRpcMessage, stream?: StreamName): void {
    if (!isResponse(message) && message.method === "notifications/resumable-mcp/gap") {
      const missed = message.params?.missed;
      const name = stream ?? { id: undefined, method: undefined };
      this.dispatch("gap", { stream: name, missed: typeof missed === "number" ? missed : undefined });
      return;
    }
    if (isRequest(message) && message.method !== "ping") {
      // Asked again by the record already, or by a replay.
      if (state.record.serverRequests.some(({ id }) => id === message.id)) return;
      state.change((record) => {
        record.serverRequests = [...record.serverRequests, message].slice(-MAX_SERVER_REQUESTS);
      });
    }
    this.#hand(this.#ids.incoming(message));
  }

  #hand(message: JsonRpcMessage): void {
    try {
      this.onmessage?.(message);
    } catch (error) {
      this.onerror?.(error as Error);
    }
  }

  #link(): Link {
    return createLink({
      http: this.#http,
      ids: this.#ids,
      options: this.#options,
      onStatus: (status) => {
        if (this.#isConnected) this.#publish(status);
      },
      onEvent: (type, detail) => this.dispatch(type, detail),
      onError: (error) => this.onerror?.(error),
    });
  }

  #publish(status: TransportStatus): void {
    const before = this.#status;
    if (before.state === "closed" || JSON.stringify(before) === JSON.stringify(status)) return;
    this.#status = status;
    this.dispatch("statuschange", status);
  }

  #closed(): ResumeError {
    return new ResumeError(
      "closed",
      this.#isStarted ? "The transport is closed" : "The transport is not started",
    );
  }
}
