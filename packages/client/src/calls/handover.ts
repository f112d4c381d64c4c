// Hands what comes on a call's stream to whoever has claimed the call, and queues it, bounded, until somebody does.
import { ResumeError } from "../errors.js";
import { isResponse, type JsonRpcMessage, type Params } from "../json-rpc.js";
import type { Receive } from "../session/inbox.js";
import type { Origin } from "../session/session.js";
import { present, type SavedCall } from "../state/client-record.js";

/**
 * A call of this client's previous life that was not finished when that life ended. It goes on by itself.
 *
 * So is one, of this life too, that failed with `unauthorized` and can be resumed: it goes on when it is claimed, which
 * is of use once there are credentials again.
 */
export interface InterruptedCall {
  readonly method: string;
  /** The call's parameters; `undefined` when the app keeps them out of the record (`saveParams`). */
  readonly params: Params | undefined;
  /**
   * Receives the parameters of each progress notification, those that came before it was set included. Setting it
   * claims the call.
   */
  onprogress: ((progress: Params) => void) | undefined;
  /**
   * The call's result. Reading it claims the call. Rejects with a {@link ResumeError}: code `server` when the server
   * answered with an error, which is its `cause`.
   */
  readonly result: Promise<Params>;
  /** Gives the call up, and tells the server. */
  cancel(reason?: string): void;
}

/** What one event carried, and where it came from. */
export interface Parcel extends Origin {
  readonly messages: readonly JsonRpcMessage[];
  /** Whether the response is among it. */
  readonly isLast: boolean;
}

/** The call whose messages are handed over. */
export interface HandedOver {
  readonly entry: Pick<SavedCall, "id" | "method" | "params">;
  /** Events that wait for the claim; then reading stops. */
  readonly maxQueued: number;
  /** Everything that an event carried was handed over. */
  onHanded(parcel: Parcel): void;
  onClaim(): void;
  /** Whoever claimed the call has learnt that its stream has failed: nothing is left to resume. */
  onFailed(): void;
  /** The app's own listener has failed. */
  onError(error: Error): void;
  /** Gives the call up, and tells the server. */
  cancel(params: Params): Promise<void>;
}

type State =
  /** Nobody has claimed the call: its messages are queued. `hasRoom` lets the stream be read on. */
  | { readonly kind: "unclaimed"; readonly hasRoom?: () => void }
  | { readonly kind: "claimed" }
  /** Whoever claimed the call has had its outcome. */
  | { readonly kind: "over" };

/** One claim of a call, by the app or by requests of this life or by both. No message is lost or reordered. */
export class Handover implements InterruptedCall {
  readonly #call: HandedOver;
  readonly #receive: Receive;
  readonly #result: Promise<Params>;
  #resolve: (result: Params) => void = () => undefined;
  #reject: (error: Error) => void = () => undefined;
  /** What came before the claim; a failure is the last of it. */
  readonly #queue: (Parcel | ResumeError)[] = [];
  #state: State = { kind: "unclaimed" };
  /** Whether the SDK's client waits for the outcome, and whether the app does here. */
  #isForClient = false;
  #isForApp = false;
  #onprogress: ((progress: Params) => void) | undefined;

  /** @param receive - takes what is for the SDK's client */
  constructor(call: HandedOver, receive: Receive) {
    this.#call = call;
    this.#receive = receive;
    this.#result = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Nobody may ever claim the call.
    this.#result.catch(() => undefined);
  }

  get method(): string {
    return this.#call.entry.method;
  }

  get params(): Params | undefined {
    return this.#call.entry.params;
  }

  get isClaimed(): boolean {
    return this.#state.kind !== "unclaimed";
  }

  get isOver(): boolean {
    return this.#state.kind === "over";
  }

  /** Whether the app waits for the outcome here, and not by requests of this life alone. */
  get isForApp(): boolean {
    return this.#isForApp;
  }

  get onprogress(): ((progress: Params) => void) | undefined {
    return this.#onprogress;
  }

  set onprogress(listener: ((progress: Params) => void) | undefined) {
    this.#onprogress = listener;
    this.#isForApp = true;
    this.#claim();
  }

  get result(): Promise<Params> {
    this.#isForApp = true;
    this.#claim();
    return this.#result;
  }

  cancel(reason?: string): void {
    this.#claim();
    void this.#call.cancel(present({ reason }));
  }

  /** Claims the call for requests of this life: the SDK's client gets all messages too. */
  attach(): Promise<Params> {
    this.#isForClient = true;
    this.#claim();
    return this.#result;
  }

  /** Takes what one event carried. Resolves when there is room for more, or when `signal` is aborted. */
  offer(parcel: Parcel, signal: AbortSignal): Promise<void> | undefined {
    if (this.isClaimed && this.#queue.length === 0) {
      this.#hand(parcel);
      return undefined;
    }
    this.#queue.push(parcel);
    if (this.isClaimed) {
      this.#drain();
      return undefined;
    }
    if (this.#queue.length < this.#call.maxQueued) return undefined;
    return new Promise((hasRoom) => {
      this.#state = { kind: "unclaimed", hasRoom };
      if (signal.aborted) hasRoom();
      signal.addEventListener("abort", () => hasRoom(), { once: true });
    });
  }

  /** The stream cannot go on. */
  fail(error: ResumeError): void {
    // Of two failures that nobody has learnt of, the later one counts.
    if (this.#queue.at(-1) instanceof ResumeError) this.#queue.pop();
    this.#queue.push(error);
    if (this.isClaimed) this.#drain();
  }

  /** This life is over: what nobody has claimed waits for the next one. */
  end(error: ResumeError): void {
    this.#queue.length = 0;
    this.fail(error);
  }

  #claim(): void {
    if (this.#state.kind !== "unclaimed") return;
    const { hasRoom } = this.#state;
    this.#state = { kind: "claimed" };
    this.#call.onClaim();
    // One tick later, so that `onprogress` and `result` may be taken in either order.
    queueMicrotask(() => {
      this.#drain();
      hasRoom?.();
    });
  }

  #drain(): void {
    for (const item of this.#queue.splice(0)) {
      if (!(item instanceof ResumeError)) this.#hand(item);
      else if (!this.isOver) {
        this.#state = { kind: "over" };
        this.#reject(item);
        this.#call.onFailed();
      }
    }
  }

  #hand(parcel: Parcel): void {
    for (const message of parcel.messages) this.#handMessage(message, parcel);
    this.#call.onHanded(parcel);
  }

  #handMessage(message: JsonRpcMessage, origin: Origin): void {
    const call = this.#call;
    const { id } = call.entry;
    if (isResponse(message)) {
      // An error need not say which request it answers.
      const isAnswer = (message.id ?? id) === id;
      if (this.#isForClient || !isAnswer) this.#receive(isAnswer ? { ...message, id } : message, origin);
      if (!isAnswer) return;
      this.#state = { kind: "over" };
      if ("result" in message) this.#resolve(message.result);
      else this.#reject(new ResumeError("server", message.error.message, { cause: message.error }));
      return;
    }
    // Runs for each message of a call of this life, to which nobody listens here.
    if (this.#isForClient && this.#onprogress === undefined) {
      this.#receive(message, origin);
      return;
    }
    const isProgress = message.method === "notifications/progress" && message.params?.progressToken === id;
    try {
      if (isProgress) this.#onprogress?.(message.params);
    } catch (error) {
      // What comes after it must not be lost with it.
      call.onError(error as Error);
    }
    if (this.#isForClient || !isProgress) this.#receive(message, origin);
  }
}
