// Runs one request until its response has come, and knows what of its stream was read and what the app has handled.
import { hasCode, ResumeError } from "../errors.js";
import type { StreamName } from "../events.js";
import {
  isResponse,
  type JsonRpcMessage,
  type JsonRpcRequest,
  type JsonRpcResponse,
  type Params,
} from "../json-rpc.js";
import type { Context } from "../session/context.js";
import type { Receive } from "../session/inbox.js";
import type { SessionKeeper } from "../session/session-keeper.js";
import { exchange, type Session } from "../session/session.js";
import { withWireId } from "../session/wire-ids.js";
import { present, type SavedCall } from "../state/client-record.js";
import { StreamCursor } from "../stream/cursor.js";
import { runStream } from "../stream/loop.js";
import type { StreamTask } from "../stream/task.js";
import { type HandedOver, Handover, type Parcel } from "./handover.js";
import type { Resendable } from "./resendable.js";

/** A call that loses its session so often in a row is given up. */
const MAX_SESSIONS = 3;

/** A request under its id on the wire. */
type WireRequest = JsonRpcRequest & { readonly id: string };

export interface CallContext extends Context {
  readonly keeper: SessionKeeper;
  /** Takes what is for the SDK's client. */
  readonly receive: Receive;
  readonly resendable: Resendable;
  /** Nothing is left of a call. */
  readonly forget: (call: Call) => void;
}

type Phase =
  /** An earlier life began it; it goes on after the handshake. */
  | "waiting"
  /** Its entry is being saved, then its stream is opened. No event of it came yet. */
  | "opening"
  | "reading"
  /** It lacks a login, and goes on from its cursor when it is claimed. */
  | "held"
  /** Its response was read, and is handed over or handled next. */
  | "answered"
  /** No response can come, as whoever claims it learns. */
  | "failed"
  /** Nothing is left of it. */
  | "over"
  /** Nor does the SDK's client wait for it: it gave its requests up, or has had their response. */
  | "withdrawn";

/**
 * A request in flight. One of this life is claimed by the SDK's client from its beginning; one of an earlier life is
 * the same with nobody to take its messages, so that its saved cursor stands still until it is claimed.
 */
export class Call implements StreamTask, HandedOver {
  /** What of its entry in the record never changes. */
  readonly entry: Omit<SavedCall, "cursor" | "retryMs" | "session">;
  readonly maxQueued: number;
  readonly request: WireRequest;
  readonly cursor: StreamCursor;
  session: Session;
  wasSent: boolean;
  readonly #context: CallContext;
  readonly #stream: StreamName;
  /** Parameters that were kept out of the record cannot be sent again. */
  readonly #canBeSent: boolean;
  /** The last event that the app has handled, where `cursor` is at the last one that was read. */
  #handled: string | undefined;
  /** The stream's `retry:` as it was then, in milliseconds. */
  #handledRetryMs: number | undefined;
  #handover: Handover;
  #abort = new AbortController();
  #phase: Phase = "waiting";

  /** @param request - what is sent; absent for a call that an earlier life has sent */
  constructor(context: CallContext, saved: SavedCall, request?: WireRequest) {
    const { cursor, retryMs, session, ...entry } = saved;
    const { id, method, params } = entry;
    this.#context = context;
    this.entry = entry;
    this.maxQueued = context.options.maxQueuedMessages;
    this.#stream = { id, method };
    this.#handled = cursor;
    this.#handledRetryMs = retryMs;
    this.#canBeSent = request !== undefined || params !== undefined;
    this.wasSent = request === undefined;
    this.request = request ?? withWireId({ jsonrpc: "2.0", id, method, params }, id);
    this.cursor = new StreamCursor(cursor, retryMs);
    this.session = context.current.restore(session);
    this.#handover = new Handover(this, context.receive);
  }

  /** Who takes its messages. */
  get handover(): Handover {
    return this.#handover;
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** The entry in the record: how far the app has had the call, and not how far it was read. */
  toJSON(): SavedCall {
    return {
      ...this.entry,
      ...present({ cursor: this.#handled, retryMs: this.#handledRetryMs }),
      ...this.#context.current.reference(this.session),
    };
  }

  readonly isResendable = (): boolean => (this.#canBeSent && this.session.isIdempotent) || this.#canRunAnew();

  /** Whether it may be executed again where nobody knows of the first time. */
  #canRunAnew(): boolean {
    return this.#canBeSent && this.#context.resendable.has(this.request);
  }

  /** Runs it, or lets it go on, until its response was read or none can come. */
  async run(): Promise<void> {
    const abort = this.#abort;
    this.#phase = this.cursor.eventId === undefined ? "opening" : "reading";
    try {
      if (!this.wasSent) {
        // The entry comes first: a call that was sent and then forgotten would be lost silently.
        await this.#context.saver.flush();
        abort.signal.throwIfAborted();
      } else if (this.cursor.eventId === undefined && !this.isResendable()) {
        const message =
          "The page or process that sent this request ended before its answer began; the server may have executed it";
        throw new ResumeError("interrupted", message, { maybeExecuted: true });
      }
      await this.#runInSessions(abort.signal);
    } catch (cause) {
      this.#failed(cause);
    } finally {
      abort.abort();
    }
  }

  async cancel(params: Params, phase: "over" | "withdrawn" = "over"): Promise<void> {
    this.#end(new ResumeError("closed", "The call was cancelled", { maybeExecuted: true }), phase);
    const notification = {
      method: "notifications/cancelled",
      params: { ...params, requestId: this.entry.id },
    };
    try {
      await exchange(this.session, { jsonrpc: "2.0", ...notification }, this.#context);
    } catch (error) {
      if (!this.#context.signal.aborted) this.onError(error as Error);
    }
  }

  /** Its response came on another stream: nothing more is to come on its own. */
  answeredElsewhere(): void {
    const isRunning = this.#phase === "opening" || this.#phase === "reading";
    if (!isRunning || !this.#handover.isClaimed || this.#handover.isForApp) return;
    this.#end(new ResumeError("closed", "The call was answered on another stream"), "withdrawn");
  }

  /** This life is over. The entry stays, for the next one. */
  close(reason: ResumeError): void {
    this.#abort.abort(reason);
    this.#handover.end(reason);
  }

  /** In a new session when the server loses its own, where that cannot run the call twice. */
  async #runInSessions(signal: AbortSignal): Promise<void> {
    const { keeper, link, saver } = this.#context;
    for (let sessions = 1; ; sessions += 1) {
      try {
        await runStream(this, link, signal);
        return;
      } catch (error) {
        if (!hasCode(error, "session-lost")) throw error;
        const { maybeExecuted } = error;
        const session = await keeper.successorOf(this.session, error, signal);
        if ((maybeExecuted && !this.#canRunAnew()) || sessions >= MAX_SESSIONS) throw error;
        this.session = session;
        this.wasSent ||= maybeExecuted;
        this.cursor.reset();
        this.#handled = undefined;
        this.#phase = "opening";
        saver.schedule();
      }
    }
  }

  /** An error need not say which request it answers. */
  readonly #isAnswer = (message: JsonRpcMessage): message is JsonRpcResponse =>
    isResponse(message) && (message.id ?? this.entry.id) === this.entry.id;

  readonly take = (messages: readonly JsonRpcMessage[]): Promise<boolean> | boolean => {
    const answer = messages.find(this.#isAnswer);
    const isLast = answer !== undefined;
    const { eventId } = this.cursor;
    // Made for each event: one object, since another would be felt.
    const parcel = { stream: this.#stream, session: this.session, eventId, messages, isLast };
    const isFirst = this.#phase === "opening";
    if (isFirst) this.#phase = "reading";
    // Saved before any message is handed over: a call that the app has heard of outlives its process.
    if (isFirst && messages.length === 0) {
      this.#tell(eventId, false);
      this.#handle(this.session, eventId, false);
      return this.#context.saver.flush().then(() => false);
    }
    if (isLast) this.#answered(answer);
    const room = this.#handover.offer(parcel, this.#abort.signal);
    return room === undefined ? isLast : room.then(() => isLast);
  };

  /** Notes that it is answered, and what the answer says of the session and the tools. */
  #answered(answer: JsonRpcResponse): void {
    const { keeper, resendable } = this.#context;
    this.#phase = "answered";
    resendable.learn(this.request, answer);
    if ("result" in answer) keeper.settings.remember(this.request);
  }

  /** The record follows when the app has handled it. */
  onHanded({ eventId, isLast, session }: Parcel): void {
    const { acknowledgements } = this.#context;
    this.#tell(eventId, false);
    const handled = (): void => this.#handle(session, eventId, isLast);
    if (isLast) acknowledgements.finally(this, handled);
    else acknowledgements.after(this, handled);
  }

  /** The app has handled what came up to this event. */
  #handle(session: Session, eventId: string | undefined, isLast: boolean): void {
    if (session !== this.session) return;
    if (isLast) this.#forget("over");
    else {
      this.#handled = eventId;
      this.#handledRetryMs = this.cursor.retryMs;
      this.#context.saver.schedule();
    }
    this.#tell(eventId, true);
  }

  #tell(eventId: string | undefined, persisted: boolean): void {
    if (eventId !== undefined) this.#context.dispatch("cursor", { stream: this.#stream, eventId, persisted });
  }

  #failed(cause: unknown): void {
    // Whoever waits for it has been told.
    const isTold = this.#phase === "over" || this.#phase === "withdrawn";
    if (isTold || this.#context.signal.aborted) return;
    const error =
      cause instanceof ResumeError ? cause : new ResumeError("closed", "The call was ended", { cause });
    const handover = this.#handover;
    if (error.code !== "unauthorized" || this.cursor.eventId === undefined) {
      this.#phase = "failed";
      handover.fail(error);
      return;
    }
    // All that it lacks is a login.
    this.#phase = "held";
    this.#abort = new AbortController();
    this.wasSent = true;
    if (handover.isClaimed) {
      this.#handover = new Handover(this, this.#context.receive);
      handover.fail(error);
    } else this.onError(error);
  }

  onClaim(): void {
    if (this.#phase === "held") void this.run();
  }

  /** After close() the entry stays, for the next life; so it does where another claim may come. */
  onFailed(): void {
    if (this.#phase === "failed" && !this.#context.signal.aborted) this.#forget("over");
  }

  onError(error: Error): void {
    this.#context.onError(error);
  }

  #end(error: ResumeError, phase: "over" | "withdrawn"): void {
    this.#forget(phase);
    this.#abort.abort(error);
    this.#handover.fail(error);
  }

  #forget(phase: "over" | "withdrawn"): void {
    this.#phase = phase;
    this.#context.forget(this);
  }
}
