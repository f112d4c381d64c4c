import type { Acknowledgements } from "./acknowledgements.js";
import type { StreamName } from "./events.js";
import { ResumeError } from "./errors.js";
import { PreviousCall } from "./interrupted.js";
import { isRecord, isResponse, type JsonRpcMessage, type JsonRpcRequest } from "./json-rpc.js";
import type { Resendable } from "./resendable.js";
import { Session } from "./session.js";
import type { SessionKeeper } from "./session-keeper.js";
import type { SavedCall, SessionState } from "./session-state.js";
import { isSetting, rememberSetting } from "./settings.js";
import { StreamCursor } from "./stream-cursor.js";
import { runStream } from "./stream-loop.js";
import type { Link, StreamTask } from "./stream-task.js";
import type { WireIds } from "./wire-ids.js";

/** A call that loses its session so often in a row is given up. */
const MAX_SESSIONS = 3;

/** How long saving a call's entry may hold up the call. */
const SAVE_LIMIT_MS = 2_000;

export interface CallsOptions {
  readonly state: SessionState;
  readonly ids: WireIds;
  readonly acknowledgements: Acknowledgements;
  readonly keeper: SessionKeeper;
  readonly resendable: Resendable;
  readonly link: Link;
  readonly signal: AbortSignal;
  readonly saveParams: boolean;
  readonly maxQueuedMessages: number;
  readonly receive: (message: JsonRpcMessage, stream: StreamName) => void;
  readonly onCursor: (stream: StreamName, eventId: string, persisted: boolean) => void;
  readonly onError: (error: Error) => void;
  readonly notify: (session: Session, message: JsonRpcMessage) => Promise<void>;
}

interface Call extends StreamTask {
  session: Session;
  readonly request: JsonRpcRequest & { readonly id: string };
  readonly abort: AbortController;
  /** Whether the response was a task, whose progress goes on (MCP 2025-11-25, Tasks). */
  isTask?: boolean;
}

function keyOf(request: JsonRpcRequest): string | undefined {
  const meta = request.params?._meta;
  const key = isRecord(meta) ? meta["resumable-mcp/key"] : undefined;
  return typeof key === "string" ? key : undefined;
}

/** The requests in flight: those of this life, and those that an earlier one left behind. */
export class Calls {
  readonly #options: CallsOptions;
  readonly #running = new Map<string, Call>();
  readonly #previous = new Map<
    string,
    { readonly call: PreviousCall; readonly key: string | undefined; run: () => void }
  >();

  constructor(options: CallsOptions) {
    this.#options = options;
    for (const saved of options.state.record.calls) this.#restore(saved);
  }

  /** The earlier life's calls that nobody has claimed yet. */
  interrupted(): readonly PreviousCall[] {
    return [...this.#previous.values()].map(({ call }) => call).filter((call) => !call.isClaimed);
  }

  /** Lets the earlier life's calls go on. */
  resume(): void {
    for (const previous of this.#previous.values()) previous.run();
  }

  /**
   * Runs a request until its response was handed over.
   *
   * @throws {ResumeError} when no response can come.
   */
  async run(request: JsonRpcRequest): Promise<void> {
    const { ids, keeper, state } = this.#options;
    const key = keyOf(request);
    for (const previous of this.#previous.values()) {
      if (key !== undefined && previous.key === key && !previous.call.isClaimed)
        return this.#attach(previous.call, request);
    }
    const wire = ids.outgoing(request);
    const call = this.#call(keeper.current, wire, new StreamCursor(), (messages) =>
      this.#take(call, request, messages),
    );
    this.#running.set(wire.id, call);
    state.change((record) => {
      record.calls.push({
        id: wire.id,
        method: request.method,
        ...(key === undefined ? {} : { key }),
        ...(this.#options.saveParams && request.params !== undefined ? { params: request.params } : {}),
      });
    });
    try {
      await this.#saved(call.abort.signal);
      await this.#runInSessions(call, request);
    } catch (error) {
      // After close() the entry stays, for the next life.
      if (this.#options.signal.aborted) throw error;
      this.#forget(wire.id);
      // Cancelled: the SDK's client has settled the request already.
      if (!call.abort.signal.aborted) throw error;
    } finally {
      this.#running.delete(wire.id);
      ids.release(wire.id, call.isTask === true);
      call.abort.abort();
    }
  }

  /** The SDK's client gives a request up. @returns the id on the wire, if it was still running. */
  cancel(id: string | number): { readonly wireId: string; readonly session: Session } | undefined {
    const wireId = this.#options.ids.wireIdOf(id);
    const call = wireId === undefined ? undefined : this.#running.get(wireId);
    if (wireId === undefined || call === undefined) return undefined;
    call.abort.abort(new ResumeError("closed", "The call was cancelled"));
    return { wireId, session: call.session };
  }

  async #runInSessions(call: Call, request: JsonRpcRequest | undefined): Promise<void> {
    const { keeper, link, resendable } = this.#options;
    for (let sessions = 1; ; sessions += 1) {
      try {
        await runStream(call, link, call.abort.signal);
        return;
      } catch (error) {
        if (!(error instanceof ResumeError) || error.code !== "session-lost" || sessions >= MAX_SESSIONS)
          throw error;
        const session = await keeper.replace(call.session, error);
        const mayRunAgain = request !== undefined && (!error.maybeExecuted || resendable.has(request));
        if (!mayRunAgain) throw error;
        call.session = session;
        call.cursor.reset();
      }
    }
  }

  #call(session: Session, request: Call["request"], cursor: StreamCursor, take: StreamTask["take"]): Call {
    const { resendable, signal } = this.#options;
    const abort = new AbortController();
    if (signal.aborted) abort.abort(signal.reason);
    else signal.addEventListener("abort", () => abort.abort(signal.reason), { signal: abort.signal });
    const call: Call = {
      session,
      request,
      cursor,
      abort,
      take,
      isResendable: () => call.session.isIdempotent || resendable.has(request),
    };
    return call;
  }

  #take(call: Call, request: JsonRpcRequest, messages: readonly JsonRpcMessage[]): boolean {
    const { receive, resendable, state } = this.#options;
    const stream = { id: call.request.id, method: request.method };
    let answered = false;
    for (const message of messages) {
      if (isResponse(message) && (message.id === call.request.id || message.id === undefined)) {
        answered = true;
        call.isTask = "result" in message && isRecord(message.result.task);
        resendable.learn(request, message);
        if ("result" in message && isSetting(request))
          state.change((record) => rememberSetting(record, request));
        receive({ ...message, id: call.request.id }, stream);
      } else receive(message, stream);
    }
    this.#moved(call, stream, answered);
    return answered;
  }

  /** Notes how far a call's stream was read, and lets the record follow when the app has had it. */
  #moved(call: Call, stream: StreamName, answered: boolean): void {
    const { acknowledgements, onCursor } = this.#options;
    const { eventId } = call.cursor;
    if (eventId !== undefined) onCursor(stream, eventId, false);
    acknowledgements.after(() => this.#persist(call, stream, eventId, answered));
  }

  #persist(call: Call, stream: StreamName, eventId: string | undefined, answered: boolean): void {
    const { retryMs } = call.cursor;
    if (answered) this.#forget(call.request.id);
    else {
      this.#options.state.change((record) => {
        const saved = record.calls.find(({ id }) => id === call.request.id);
        if (saved === undefined) return;
        if (eventId === undefined) delete saved.cursor;
        else saved.cursor = eventId;
        if (retryMs !== undefined) saved.retryMs = retryMs;
      });
    }
    if (eventId !== undefined) this.#options.onCursor(stream, eventId, true);
  }

  #forget(wireId: string): void {
    this.#previous.delete(wireId);
    this.#options.state.change((record) => (record.calls = record.calls.filter(({ id }) => id !== wireId)));
  }

  /** The entry comes first: a call that was sent and then forgotten would be lost silently. */
  async #saved(signal: AbortSignal): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const limit = new Promise<void>((resolve) => (timer = setTimeout(resolve, SAVE_LIMIT_MS)));
    await Promise.race([this.#options.state.flush(), limit]);
    clearTimeout(timer);
    signal.throwIfAborted();
  }

  #restore(saved: SavedCall): void {
    const { keeper, maxQueuedMessages, notify, onError, receive, resendable } = this.#options;
    const stream = { id: saved.id, method: saved.method };
    const previous = new PreviousCall({
      id: saved.id,
      method: saved.method,
      params: saved.params,
      maxQueued: maxQueuedMessages,
      forward: (message) => receive(message, stream),
      onDiscard: () => this.#forget(saved.id),
      onCancel: (reason) => {
        call.abort.abort(new ResumeError("closed", "The call was cancelled"));
        this.#forget(saved.id);
        const params = { requestId: saved.id, ...(reason === undefined ? {} : { reason }) };
        notify(call.session, { jsonrpc: "2.0", method: "notifications/cancelled", params }).catch(onError);
      },
    });
    const session = saved.session === undefined ? keeper.current : new Session(saved.session);
    const request = { jsonrpc: "2.0", id: saved.id, method: saved.method, params: saved.params } as const;
    const cursor = new StreamCursor(saved.cursor, saved.retryMs);
    const call = this.#call(session, request, cursor, async (messages) => {
      const answered = messages.some(
        (message) => isResponse(message) && (message.id ?? saved.id) === saved.id,
      );
      const eventId = cursor.eventId;
      await previous.offer(messages, () => {
        if (eventId !== undefined) this.#options.onCursor(stream, eventId, false);
        this.#options.acknowledgements.after(() => this.#persist(call, stream, eventId, answered));
      });
      return answered;
    });
    const run = async (): Promise<void> => {
      try {
        if (cursor.eventId === undefined) {
          const maybeExecuted = !resendable.has(request);
          throw new ResumeError("interrupted", "The previous life ended before the answer began", {
            maybeExecuted,
          });
        }
        await this.#runInSessions(call, undefined);
      } catch (error) {
        previous.fail(
          error instanceof ResumeError
            ? error
            : new ResumeError("closed", "The call was ended", { cause: error }),
        );
      } finally {
        call.abort.abort();
      }
    };
    this.#previous.set(saved.id, { call: previous, key: saved.key, run: () => void run() });
  }

  /** Lets a request of this life be the earlier one, instead of starting another. */
  async #attach(previous: PreviousCall, request: JsonRpcRequest): Promise<void> {
    const { ids, receive } = this.#options;
    ids.adopt(previous.id, request);
    try {
      await previous
        .attach((message) => receive(message, { id: previous.id, method: previous.method }))
        // The server's own error has reached the SDK's client as a message.
        .catch((error: unknown) => {
          if (error instanceof ResumeError) throw error;
        });
    } finally {
      ids.release(previous.id, false);
    }
  }
}
