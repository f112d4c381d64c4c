// Gives the SDK's client its transport for Streamable HTTP, and puts the session, its calls and its streams together.
import type { InterruptedCall } from "./calls/handover.js";
import { Calls } from "./calls/calls.js";
import { ResumeError } from "./errors.js";
import { TransportEvents, type TransportStatus } from "./events.js";
import { isRequest, isResponse, type JsonRpcMessage } from "./json-rpc.js";
import { type ResumableTransportOptions, type ValidOptions, validateOptions } from "./options.js";
import type { Context } from "./session/context.js";
import { Inbox } from "./session/inbox.js";
import { ServerRequests } from "./session/server-requests.js";
import { SessionKeeper } from "./session/session-keeper.js";
import { CurrentSession, endSession } from "./session/session.js";
import { Standalone } from "./session/standalone-stream.js";
import { WireIds } from "./session/wire-ids.js";
import { Acknowledgements } from "./state/acknowledgements.js";
import { Saver } from "./state/saver.js";
import { createLink } from "./stream/task.js";
import { follow } from "./wait/abortable.js";

/** What there is between `start()` and `close()`. */
interface Life {
  readonly context: Context;
  readonly serverRequests: ServerRequests;
  readonly inbox: Inbox;
  readonly keeper: SessionKeeper;
  readonly standalone: Standalone;
  readonly calls: Calls;
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
  readonly #abort = new AbortController();
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
    this.#options = validateOptions(url, options);
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
    const options = this.#options;
    const { maxAgeMs, partition, store, url } = options;
    const scope = { serverUrl: url, partition };
    const saver = await Saver.open({ store, scope, maxAgeMs, onError, signal });
    if (signal.aborted) {
      await saver.release().catch(onError);
      throw signal.reason as Error;
    }
    const ids = new WireIds();
    const dispatch = this.dispatch.bind(this);
    const onStatus = (status: TransportStatus): void => {
      if (this.#isConnected) this.#publish(status);
    };
    const link = createLink({ ids, options, onStatus, onEvent: dispatch, onError });
    const acknowledgements = new Acknowledgements(options.ack === "manual");
    const current = new CurrentSession(saver);
    const shared = { options, saver, acknowledgements, ids, link, current };
    const context: Context = { ...shared, signal, dispatch, onError };
    const serverRequests = new ServerRequests(context);
    const inbox = new Inbox(context, serverRequests, (message) => this.onmessage?.(message));
    const keeper = new SessionKeeper(context, serverRequests, inbox);
    const standalone = new Standalone(context, keeper, inbox);
    const calls = new Calls(context, keeper, serverRequests, inbox);
    keeper.onreplaced = (cause) => {
      this.#nameSession(context);
      standalone.restart();
      this.dispatch("sessionreplaced", { cause });
    };
    this.#life = { context, serverRequests, inbox, keeper, standalone, calls, end };
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
    const { calls, inbox, keeper, serverRequests } = life;
    if (isRequest(message)) {
      const { method } = message;
      if (method !== "initialize" && method !== "server/discover") {
        await calls.run(message);
        // It may have ended for want of a login, which there is now.
        if (this.#isConnected) life.standalone.start();
        return;
      }
      const answer = await (method === "initialize" ? keeper.initialize(message) : keeper.discover(message));
      inbox.hand(answer);
    } else if (isResponse(message)) await serverRequests.answer(message);
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
    this.#life?.context.acknowledgements.acknowledge();
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
    life.context.acknowledgements.drop();
    await life.context.saver.clear().catch(this.#onError);
    if (session.id === undefined) return;
    delete this.sessionId;
    await endSession(this.#options, session, this.#abort.signal);
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
    this.#life?.context.acknowledgements.drop();
    await this.#life?.context.saver.release().catch(this.#onError);
    this.#publish({ state: "closed" });
    this.onclose?.();
  }

  /** Not before the handshake is over. */
  #nameSession({ current }: Context): void {
    const { id } = current.session;
    if (id === undefined) delete this.sessionId;
    else this.sessionId = id;
  }

  /** The handshake is over: what the previous life left goes on, and the standalone stream opens. */
  #connected({ calls, context, end, inbox, serverRequests, standalone }: Life): void {
    this.#isConnected = true;
    this.#nameSession(context);
    this.#publish({ state: "live" });
    const unanswered = serverRequests.unanswered();
    // After the SDK's client has finished connecting.
    setTimeout(() => {
      if (end.signal.aborted) return;
      for (const request of unanswered) inbox.hand(request);
      calls.resume();
      standalone.start();
    }, 0);
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
