import { ResumeError } from "../errors.js";
import type { CallsOptions } from "./calls-options.js";
import { type Call, createCall, keyOf, originOf, outlivesFailure, saveCursor, savedCallOf } from "./call.js";
import { type InterruptedCall, PreviousCall } from "./interrupted.js";
import {
  isRecord,
  isResponse,
  type JsonRpcMessage,
  type JsonRpcRequest,
  type JsonRpcResponse,
  type Params,
} from "../json-rpc.js";
import { runCall } from "./run-call.js";
import type { Origin } from "../session/server-requests.js";
import { exchange, Session } from "../session/session.js";
import type { SavedCall } from "../state/session-state.js";
import { isSetting, rememberSetting } from "../session/settings.js";
import { StreamCursor } from "../stream/cursor.js";
import type { StreamTask } from "../stream/task.js";
import { withWireId } from "../session/wire-ids.js";

/** The requests in flight: those of this life, and those that an earlier one left behind. */
export class Calls {
  readonly #options: CallsOptions;
  readonly #calls = new Map<string, Call>();

  constructor(options: CallsOptions) {
    this.#options = options;
    const { signal } = options;
    // One listener for all: Node warns of a leak at the eleventh. The reason is that of close().
    signal.addEventListener("abort", () => {
      for (const { abort, previous } of this.#calls.values()) {
        abort.abort(signal.reason);
        previous?.end(signal.reason as ResumeError);
      }
    });
    for (const saved of options.state.record.calls) this.#restore(saved);
  }

  /** The earlier life's calls that nobody has claimed yet. */
  interrupted(): readonly InterruptedCall[] {
    const all = [...this.#calls.values()];
    return all.flatMap(({ previous }) => (previous?.isClaimed === false ? [previous] : []));
  }

  /** Lets the earlier life's calls go on. */
  resume(): void {
    for (const call of this.#calls.values())
      if (call.previous !== undefined) void this.#goOn(call, call.previous);
  }

  /**
   * Runs a request until its response was handed over. One with a known key shares in the call that runs already.
   *
   * @throws {ResumeError} when no response can come.
   */
  async run(request: JsonRpcRequest): Promise<void> {
    const { ids, keeper, resendable, saveParams, state } = this.#options;
    const key = keyOf(request);
    for (const call of this.#calls.values()) {
      const isSame = key !== undefined && call.key === key && call.request.method === request.method;
      if (isSame && !(call.previous?.isOver ?? call.isAnswered)) return this.#attach(call, request);
    }
    const wire = ids.outgoing(request);
    const call = createCall({
      session: keeper.current,
      request: wire,
      key,
      cursor: new StreamCursor(),
      take: (messages) => this.#take(call, messages),
      isHarmless: () => resendable.has(wire),
    });
    this.#calls.set(wire.id, call);
    state.change((record) =>
      record.calls.push(savedCallOf(call, saveParams ? (request.params ?? {}) : undefined)),
    );
    call.done = this.#finish(call);
    return call.done;
  }

  /** The SDK's client gives a request up: its stream is closed, its entry dropped, and the server told. */
  async cancel(params: Params): Promise<void> {
    const { requestId } = params;
    if (typeof requestId !== "string" && typeof requestId !== "number") return;
    const wireId = this.#options.ids.wireIdOf(requestId);
    const call = wireId === undefined ? undefined : this.#calls.get(wireId);
    // Another request with the same key may still wait for the call.
    if (call === undefined || !this.#options.ids.drop(call.request.id, requestId)) return;
    if (call.previous?.isHeld !== true) await this.#cancel(call, params);
  }

  async #cancel(call: Call, params: Params): Promise<void> {
    const { link, onError, signal } = this.#options;
    const requestId = call.request.id;
    const error = new ResumeError("closed", "The call was cancelled", { maybeExecuted: true });
    call.abort.abort(error);
    this.#forget(call);
    // It may not have gone on yet.
    call.previous?.fail(error);
    const notification = { method: "notifications/cancelled", params: { ...params, requestId } };
    try {
      await exchange(call.session, { jsonrpc: "2.0", ...notification }, link, signal);
    } catch (error) {
      if (!signal.aborted) onError(error as Error);
    }
  }

  async #finish(call: Call): Promise<void> {
    let isKept = false;
    try {
      // The entry comes first: a call that was sent and then forgotten would be lost silently.
      await this.#options.state.flush();
      call.abort.signal.throwIfAborted();
      await runCall(call, this.#options);
    } catch (error) {
      // After close() the entry stays, for the next life.
      if (this.#options.signal.aborted) throw error;
      isKept = outlivesFailure(call, error);
      if (!isKept) this.#forget(call);
      // Cancelled: the SDK's client has settled the request already.
      if (!call.abort.signal.aborted) throw error;
    } finally {
      this.#calls.delete(call.request.id);
      this.#options.ids.release(call.request.id, call.isTask);
      call.abort.abort();
      if (isKept) this.#park(call);
    }
  }

  /** Takes what came on the stream of a call of this life. */
  #take(call: Call, messages: readonly JsonRpcMessage[]): Promise<boolean> | boolean {
    const { receive, state } = this.#options;
    const origin = originOf(call);
    const isFirst = !call.isBegun;
    call.isBegun = true;
    // Saved before any message is handed over: a call that the app has heard of outlives its process.
    if (isFirst && messages.length === 0) {
      this.#received(origin);
      this.#handled(call, origin, false);
      return state.flush().then(() => false);
    }
    for (const message of messages) {
      if (isResponse(message) && (message.id ?? call.request.id) === call.request.id) {
        this.#answered(call, message);
        receive({ ...message, id: call.request.id }, origin);
      } else receive(message, origin);
    }
    this.#moved(call, origin, call.isAnswered);
    return call.isAnswered;
  }

  /** Notes that a call is answered, and what its answer says of the session and the tools. */
  #answered(call: Call, message: JsonRpcResponse): void {
    const { request } = call;
    call.isAnswered = true;
    call.isTask = "result" in message && isRecord(message.result.task);
    this.#options.resendable.learn(request, message);
    if ("result" in message && isSetting(request))
      this.#options.state.change((record) => rememberSetting(record, request));
  }

  /** A response came on another stream than its call's: nothing more is to come on that one. */
  answeredElsewhere(id: unknown): void {
    const call = this.#calls.get(String(id));
    if (call === undefined || call.isAnswered || call.previous !== undefined) return;
    call.isAnswered = true;
    call.abort.abort();
    this.#forget(call);
  }

  /** Notes how far a call's stream was handed over, and lets the record follow when the app has had it. */
  #moved(call: Call, origin: Origin, isAnswered: boolean): void {
    this.#received(origin);
    const { acknowledgements } = this.#options;
    const handled = (): void => this.#handled(call, origin, isAnswered);
    if (isAnswered) acknowledgements.finally(call, handled);
    else acknowledgements.after(call, handled);
  }

  #received({ eventId, stream }: Origin): void {
    if (eventId !== undefined) this.#options.onCursor(stream, eventId, false);
  }

  /** The app has had what came up to this event. */
  #handled(call: Call, { eventId, session, stream }: Origin, isAnswered: boolean): void {
    const { onCursor, state } = this.#options;
    if (session !== call.session) return;
    if (isAnswered) this.#forget(call);
    else state.change((record) => saveCursor(record, call, eventId));
    if (eventId !== undefined) onCursor(stream, eventId, true);
  }

  #forget({ request: { id } }: Call): void {
    this.#calls.delete(id);
    this.#options.state.change((record) => {
      record.calls = record.calls.filter((call) => call.id !== id);
      // The server cannot wait for what it asked on that stream.
      record.serverRequests = record.serverRequests.filter(({ call }) => call !== id);
    });
  }

  /** @param parkedAt - how far a call was read that waits for its claim before it goes on */
  #restore(saved: SavedCall, parkedAt?: StreamCursor): void {
    const { keeper, maxQueuedMessages, receive, resendable, signal } = this.#options;
    const { id, key, method, params } = saved;
    const session = saved.session === undefined ? keeper.current : new Session(saved.session);
    const request = withWireId({ jsonrpc: "2.0", id, method, params }, id);
    const cursor = parkedAt ?? new StreamCursor(saved.cursor, saved.retryMs);
    const previous = new PreviousCall({
      id,
      method,
      params,
      maxQueued: maxQueuedMessages,
      // After close() the entry stays, for the next life.
      onDiscard: () => {
        if (!signal.aborted && this.#calls.get(id) === call) this.#forget(call);
      },
      onError: this.#options.onError,
      onClaim: () => {
        if (call.isParked) void this.#goOn(call, previous);
      },
      onCancel: (reason) => void this.#cancel(call, reason === undefined ? {} : { reason }),
    });
    const take: StreamTask["take"] = async (messages) => {
      const origin = originOf(call);
      const answer = messages.find((message) => isResponse(message) && (message.id ?? id) === id);
      const isAnswered = answer !== undefined;
      if (isAnswered) this.#answered(call, answer as JsonRpcResponse);
      const forward = (message: JsonRpcMessage): void => receive(message, origin);
      const handled = (): void => this.#moved(call, origin, isAnswered);
      await previous.offer({ messages, forward, handled }, call.abort.signal);
      return isAnswered;
    };
    const call = createCall({
      session,
      request,
      key,
      cursor,
      take,
      isHarmless: () => resendable.has(request),
      // Parameters that were kept out of the record cannot be sent again.
      mayBeSent: params !== undefined,
    });
    call.previous = previous;
    call.wasSent = true;
    call.isParked = parkedAt !== undefined;
    this.#calls.set(id, call);
  }

  /** Keeps what a login interrupted: it goes on when it is claimed. */
  #park(call: Call): void {
    const { request, cursor } = call;
    const saved = this.#options.state.record.calls.find(({ id }) => id === request.id);
    // From where the app has it, which the record may be behind of.
    if (saved !== undefined) this.#restore(saved, cursor);
  }

  /** Lets an earlier life's call go on. */
  async #goOn(call: Call, previous: PreviousCall): Promise<void> {
    call.isParked = false;
    try {
      if (call.cursor.eventId === undefined && !call.isResendable()) {
        const message = "The previous life ended before the answer began";
        throw new ResumeError("interrupted", message, { maybeExecuted: true });
      }
      await runCall(call, this.#options);
    } catch (cause) {
      const error =
        cause instanceof ResumeError ? cause : new ResumeError("closed", "The call was ended", { cause });
      if (outlivesFailure(call, error)) {
        call.isParked = !previous.isClaimed;
        if (call.isParked) {
          this.#options.onError(error);
          return;
        }
        this.#park(call);
      }
      previous.fail(error);
    } finally {
      if (!call.isParked) call.abort.abort();
    }
  }

  /** Lets a request share in a call with the same key, instead of starting another. */
  async #attach(call: Call, request: JsonRpcRequest): Promise<void> {
    const { ids } = this.#options;
    const wireId = call.request.id;
    ids.adopt(wireId, request);
    try {
      await (call.previous?.attach() ?? call.done);
    } catch (error) {
      // The server's own error has reached the SDK's client as a message.
      if (!(error instanceof ResumeError && error.code === "server")) throw error;
    } finally {
      ids.release(wireId, call.isTask);
    }
  }
}
