import { Acknowledgements } from "./state/acknowledgements.js";
import { Calls } from "./calls/calls.js";
import { ResumeError } from "./errors.js";
import { type StreamName, TransportEvents, type TransportStatus } from "./events.js";
import { follow } from "./wait/abortable.js";
import type { InterruptedCall } from "./calls/interrupted.js";
import { isRequest, isResponse, type JsonRpcMessage } from "./json-rpc.js";
import { createLink, type Link } from "./stream/task.js";
import type { HttpOptions } from "./stream/http.js";
import {
  type ResumableTransportOptions,
  type ValidOptions,
  validateOptions,
  validateUrl,
} from "./options.js";
import { Resendable } from "./calls/resendable.js";
import { type Origin, ServerRequests } from "./session/server-requests.js";
import { endSession, type Session } from "./session/session.js";
import { SessionKeeper } from "./session/session-keeper.js";
import { SessionState } from "./state/session-state.js";
import { Standalone } from "./session/standalone.js";
import { WireIds } from "./session/wire-ids.js";

/** What there is between `start()` and `close()`. */
interface Life {
  readonly link: Link;
  readonly state: SessionState;
  readonly keeper: SessionKeeper;
  readonly calls: Calls;
  readonly asked: ServerRequests;
  readonly standalone: Standalone;
  /** Ends it, with what becomes of its calls. */
  readonly end: AbortController;
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
  /**
   * The session's id, once the handshake is over. Before that the SDKs would skip the handshake, and the
   * capabilities with it.
   */
  sessionId?: string;

  readonly #options: ValidOptions;
  readonly #http: HttpOptions;
  readonly #abort = new AbortController();
  readonly #ids = new WireIds();
  readonly #resendable = new Resendable();
  readonly #acknowledgements: Acknowledgements;
  #status: TransportStatus = { state: "connecting" };
  #life: Life | undefined;
  #closing: Promise<void> | undefined;
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
      loginTimeoutMs: valid.maxElapsedMs,
    };
  }

  /** How the transport is doing; `statuschange` tells when that changes. */
  get status(): TransportStatus {
    return this.#status;
  }

  /** Takes the saved state. Called by the SDK's `connect()`. @throws {ResumeError} `closed` when called twice. */
  async start(): Promise<void> {
    if (this.#isStarted) throw new ResumeError("closed", "The transport was started before; make a new one");
    this.#isStarted = true;
    const end = follow(this.#abort.signal);
    const { signal } = end;
    const onError = this.#onError;
    const { maxAgeMs, partition, store } = this.#options;
    const scope = { serverUrl: this.#http.url, partition };
    const state = await SessionState.open({ store, scope, maxAgeMs, onError, signal });
    if (signal.aborted) {
      await state.release().catch(onError);
      throw signal.reason as Error;
    }
    const link = this.#link();
    const currentSession = (): Session => keeper.current;
    const asked = new ServerRequests({ state, link, signal, currentSession });
    const receive = (message: JsonRpcMessage, origin?: Origin): void => this.#receive(asked, message, origin);
    const common = { state, ids: this.#ids, link, signal, receive, onError };
    const onReplaced = (cause: Error): void => {
      this.#nameSession(keeper);
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
    });
    const standalone = new Standalone({ ...common, keeper, acknowledgements, onCursor });
    this.#life = { link, state, keeper, calls, asked, standalone, end };
  }

  /**
   * Sends a message. For a request it settles when the response was handed to `onmessage`, or rejects when none can
   * come any more: the SDK's client hands that error to the caller. (A JSON-RPC error would let SDK 1.x forget its
   * handler, but cost the caller the code and `maybeExecuted`.)
   *
   * @throws {ResumeError} see {@link ResumeErrorCode}
   */
  async send(
    message: JsonRpcMessage,
    options?: { readonly resumptionToken?: string | undefined },
  ): Promise<void> {
    const life = this.#life;
    if (life === undefined || this.#abort.signal.aborted) throw this.#closed();
    if (life.end.signal.aborted) throw new ResumeError("session-lost", "The session was ended; connect anew");
    if (options?.resumptionToken !== undefined) {
      throw new ResumeError(
        "invalid-option",
        "resumptionToken is not needed here: interrupted() lists what goes on",
      );
    }
    const { asked, calls, keeper } = life;
    if (isRequest(message)) {
      const { method } = message;
      if (method !== "initialize" && method !== "server/discover") {
        await calls.run(message);
        // It may have ended for want of a login, which there is now.
        if (this.#isConnected) life.standalone.start();
        return;
      }
      const answer = await (method === "initialize" ? keeper.initialize(message) : keeper.discover(message));
      this.#hand(answer);
    } else if (isResponse(message)) await asked.answer(message);
    else if (message.method === "notifications/initialized") {
      await keeper.initialized(message);
      this.#connected(life);
    } else if (message.method === "notifications/cancelled") await calls.cancel(message.params ?? {});
    else await keeper.notify(message);
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
   * Ends the session at the server and forgets the saved state. A server may refuse that with 405. What was running
   * fails with `session-lost`, and so does what is sent after it.
   *
   * @throws {ResumeError} `http` when the server refuses otherwise, `gave-up` when it does not answer: the saved state
   * is forgotten all the same; `closed` after close().
   */
  async terminateSession(): Promise<void> {
    if (this.#abort.signal.aborted) throw this.#closed();
    const life = this.#life;
    if (life === undefined) return;
    const session = await life.keeper.last();
    const text = "terminateSession() has ended the session";
    life.end.abort(new ResumeError("session-lost", text, { maybeExecuted: true }));
    this.#acknowledgements.drop();
    await life.state.clear().catch(this.#onError);
    if (session.id === undefined) return;
    delete this.sessionId;
    await endSession(this.#http, session, this.#abort.signal);
  }

  /** Ends every connection and gives the saved state back, for the next life to go on with. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#abort.abort(new ResumeError("closed", "The transport was closed", { maybeExecuted: true }));
    // What was handed over in this very tick has its handlers run before the next one.
    await new Promise((resolve) => setTimeout(resolve, 0));
    this.#acknowledgements.drop();
    await this.#life?.state.release().catch(this.#onError);
    this.#publish({ state: "closed" });
    this.onclose?.();
  }

  /** Not before the handshake is over. */
  #nameSession(keeper: SessionKeeper): void {
    const { id } = keeper.current;
    if (id === undefined) delete this.sessionId;
    else this.sessionId = id;
  }

  /** The handshake is over: what the previous life left goes on, and the standalone stream opens. */
  #connected(life: Life): void {
    this.#isConnected = true;
    this.#nameSession(life.keeper);
    this.#publish({ state: "live" });
    const unanswered = life.asked.unanswered();
    // After the SDK's client has finished connecting.
    setTimeout(() => {
      if (life.end.signal.aborted) return;
      for (const request of unanswered) this.#hand(request);
      life.calls.resume();
      life.standalone.start();
    }, 0);
  }

  /** Takes what the server sent, on whatever stream. */
  #receive(asked: ServerRequests, message: JsonRpcMessage, origin?: Origin): void {
    if (isRequest(message)) {
      const request = asked.take(message, origin);
      if (request !== undefined) this.#hand(request);
      return;
    }
    if (isResponse(message)) {
      this.#ids.incoming(message, this.#hand);
      this.#life?.calls.answeredElsewhere(message.id);
    } else if (message.method === "notifications/cancelled") this.#hand(asked.cancelled(message, origin));
    else if (message.method === "notifications/resumable-mcp/gap") {
      const missed = message.params?.missed;
      const stream = origin?.stream ?? { id: undefined, method: undefined };
      this.dispatch("gap", { stream, missed: typeof missed === "number" ? missed : undefined });
    } else this.#ids.incoming(message, this.#hand);
  }

  readonly #hand = (message: JsonRpcMessage): void => {
    // The SDKs take a response at once, a notification one microtask later: progress that came with the response
    // would find its handler gone.
    if (isResponse(message)) queueMicrotask(() => this.#deliver(message));
    else this.#deliver(message);
  };

  #deliver(message: JsonRpcMessage): void {
    try {
      this.onmessage?.(message);
    } catch (error) {
      this.#onError(error);
    }
  }

  /** An app whose `onerror` throws hears of that as of a listener that throws, and nothing here stops for it. */
  readonly #onError = (error: unknown): void => {
    try {
      this.onerror?.(error as Error);
    } catch (thrown) {
      queueMicrotask(() => {
        throw thrown;
      });
    }
  };

  #link(): Link {
    return createLink({
      http: this.#http,
      ids: this.#ids,
      options: this.#options,
      onStatus: (status) => {
        if (this.#isConnected) this.#publish(status);
      },
      onEvent: (type, detail) => this.dispatch(type, detail),
      onError: this.#onError,
    });
  }

  #publish(status: TransportStatus): void {
    const before = this.#status;
    if (before.state === "closed" || JSON.stringify(before) === JSON.stringify(status)) return;
    this.#status = status;
    this.dispatch("statuschange", status);
  }

  #closed(): ResumeError {
    return new ResumeError("closed", `The transport is ${this.#isStarted ? "closed" : "not started"}`);
  }
}
