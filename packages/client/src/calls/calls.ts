// Holds the requests in flight, those of this life and those that an earlier one left behind, by their ids on the wire.
import { hasCode, type ResumeError } from "../errors.js";
import { isRecord, type JsonRpcRequest, type Params } from "../json-rpc.js";
import type { Context } from "../session/context.js";
import type { Inbox } from "../session/inbox.js";
import type { ServerRequests } from "../session/server-requests.js";
import type { SessionKeeper } from "../session/session-keeper.js";
import { present } from "../state/client-record.js";
import { Call, type CallContext } from "./call.js";
import type { InterruptedCall } from "./handover.js";
import { Resendable } from "./resendable.js";

export class Calls {
  readonly #context: CallContext;
  readonly #calls = new Map<string, Call>();

  constructor(context: Context, keeper: SessionKeeper, serverRequests: ServerRequests, inbox: Inbox) {
    this.#context = {
      ...context,
      keeper,
      receive: inbox.receive,
      resendable: new Resendable(),
      forget: ({ entry: { id } }) => {
        this.#calls.delete(id);
        serverRequests.forgetCall(id);
      },
    };
    const { saver, signal } = context;
    for (const saved of saver.restored.calls) this.#calls.set(saved.id, new Call(this.#context, saved));
    saver.keep(() => ({ calls: [...this.#calls.values()].map((call) => call.toJSON()) }));
    inbox.onresponse = (id) => this.#calls.get(String(id))?.answeredElsewhere();
    // One listener for all: Node warns of a leak at the eleventh. The reason is that of close().
    signal.addEventListener("abort", () => {
      for (const call of this.#calls.values()) call.close(signal.reason as ResumeError);
    });
  }

  /** The calls that nobody has claimed yet. */
  interrupted(): readonly InterruptedCall[] {
    return [...this.#calls.values()].map(({ handover }) => handover).filter(({ isClaimed }) => !isClaimed);
  }

  /** Lets the earlier life's calls go on. */
  resume(): void {
    for (const call of this.#calls.values()) if (call.phase === "waiting") void call.run();
  }

  /**
   * Runs a request until its response was handed over. One with a known key shares in the call that runs already.
   *
   * @throws {ResumeError} when no response can come.
   */
  async run(request: JsonRpcRequest): Promise<void> {
    const { ids, options, saver } = this.#context;
    const { method, params = {} } = request;
    const key = keyOf(params);
    for (const call of this.#calls.values()) {
      const isSame = key !== undefined && call.entry.key === key && call.entry.method === method;
      if (!isSame || call.handover.isOver) continue;
      ids.adopt(call.entry.id, request);
      return this.#share(call);
    }
    const wire = ids.outgoing(request);
    const entry = {
      id: wire.id,
      method,
      startedAt: Date.now(),
      ...present({ key, params: options.saveParams ? params : undefined }),
    };
    const call = new Call(this.#context, entry, wire);
    this.#calls.set(wire.id, call);
    saver.schedule();
    const ended = call.run();
    await this.#share(call);
    // A moment later: then the status no longer speaks of its stream.
    await ended;
  }

  /** The SDK's client gives a request up: its stream is closed, its entry dropped, and the server told. */
  async cancel(params: Params): Promise<void> {
    const { ids } = this.#context;
    const { requestId } = params;
    if (typeof requestId !== "string" && typeof requestId !== "number") return;
    const wireId = ids.wireIdOf(requestId);
    const call = wireId === undefined ? undefined : this.#calls.get(wireId);
    // Another request with the same key may still wait for the call, or the app itself.
    if (call === undefined || !ids.drop(call.entry.id, requestId) || call.handover.isForApp) return;
    await call.cancel(params, "withdrawn");
  }

  /** Lets a request of the SDK's client share in a call, until the call is over. */
  async #share(call: Call): Promise<void> {
    let isTask = false;
    try {
      const result = await call.handover.attach();
      isTask = isRecord(result.task);
    } catch (error) {
      // The server's own error has reached the SDK's client as a message.
      if (!hasCode(error, "server") && call.phase !== "withdrawn") throw error;
    } finally {
      this.#context.ids.release(call.entry.id, isTask);
    }
  }
}

/** The app's own name for the call. */
function keyOf({ _meta: meta }: Params): string | undefined {
  const key = isRecord(meta) ? meta["resumable-mcp/key"] : undefined;
  return typeof key === "string" ? key : undefined;
}
