import { ResumeError } from "../errors.js";
import { isResponse, type JsonRpcMessage, type Params } from "../json-rpc.js";

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

/** What one event carried. */
export interface Parcel {
  readonly messages: readonly JsonRpcMessage[];
  /** Takes a message for the SDK's client. */
  readonly forward: (message: JsonRpcMessage) => void;
  /** The app has had all of them. */
  readonly handled: () => void;
}

export interface PreviousCallOptions {
  readonly id: string;
  readonly method: string;
  readonly params: Params | undefined;
  /** Messages that wait for the claim; then reading stops. */
  readonly maxQueued: number;
  readonly onCancel: (reason: string | undefined) => void;
  readonly onClaim: () => void;
  /** The app's own listener has failed. */
  readonly onError: (error: Error) => void;
  /** The app has learnt that the stream has failed: nothing is left to resume. */
  readonly onDiscard: () => void;
}

/** Holds a previous life's messages until the app claims the call, without losing or reordering any. */
export class PreviousCall implements InterruptedCall {
  readonly #options: PreviousCallOptions;
  readonly #result: Promise<Params>;
  #resolve: (result: Params) => void = () => undefined;
  #reject: (error: Error) => void = () => undefined;
  readonly #queue: Parcel[] = [];
  #isAttached = false;
  #isHeld = false;
  #isOver = false;
  #onprogress: ((progress: Params) => void) | undefined;
  #claimed = false;
  #failure: ResumeError | undefined;
  #drained: (() => void) | undefined;

  constructor(options: PreviousCallOptions) {
    this.#options = options;
    this.#result = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Nobody may ever claim the call.
    this.#result.catch(() => undefined);
  }

  get id(): string {
    return this.#options.id;
  }

  get method(): string {
    return this.#options.method;
  }

  get params(): Params | undefined {
    return this.#options.params;
  }

  get isClaimed(): boolean {
    return this.#claimed;
  }

  /** Whether the app has had its outcome. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Whether the app waits for the outcome here, and not by requests of this life alone. */
  get isHeld(): boolean {
    return this.#isHeld;
  }

  get onprogress(): ((progress: Params) => void) | undefined {
    return this.#onprogress;
  }

  set onprogress(listener: ((progress: Params) => void) | undefined) {
    this.#onprogress = listener;
    this.#isHeld = true;
    this.#claim();
  }

  get result(): Promise<Params> {
    this.#isHeld = true;
    this.#claim();
    return this.#result;
  }

  cancel(reason?: string): void {
    this.#claim();
    this.#options.onCancel(reason);
  }

  /** Claims the call for requests of this life: the SDK's client gets all messages too. */
  attach(): Promise<Params> {
    this.#isAttached = true;
    this.#claim();
    return this.#result;
  }

  /** Takes what one event carried. Resolves when there is room for more, or when `signal` is aborted. */
  offer(parcel: Parcel, signal: AbortSignal): Promise<void> | undefined {
    this.#queue.push(parcel);
    if (this.#claimed) {
      this.#drain();
      return undefined;
    }
    if (this.#queue.length < this.#options.maxQueued) return undefined;
    return new Promise((resolve) => {
      this.#drained = resolve;
      if (signal.aborted) resolve();
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
  }

  /** The stream cannot go on. */
  fail(error: ResumeError): void {
    this.#failure = error;
    if (this.#claimed) this.#drain();
  }

  /** This life is over: what nobody has claimed waits for the next one. */
  end(error: ResumeError): void {
    this.#queue.length = 0;
    this.fail(error);
  }

  #claim(): void {
    if (this.#claimed) return;
    this.#claimed = true;
    this.#options.onClaim();
    // One tick later, so that `onprogress` and `result` may be taken in either order.
    queueMicrotask(() => this.#drain());
  }

  #drain(): void {
    for (const { messages, forward, handled } of this.#queue.splice(0)) {
      for (const message of messages) this.#hand(message, forward);
      handled();
    }
    this.#drained?.();
    this.#drained = undefined;
    const failure = this.#failure;
    if (failure === undefined) return;
    this.#failure = undefined;
    this.#isOver = true;
    this.#reject(failure);
    this.#options.onDiscard();
  }

  #hand(message: JsonRpcMessage, forward: (message: JsonRpcMessage) => void): void {
    const isAnswer = isResponse(message) && (message.id ?? this.id) === this.id;
    if (isAnswer) {
      this.#isOver = true;
      if ("result" in message) this.#resolve(message.result);
      else this.#reject(new ResumeError("server", message.error.message, { cause: message.error }));
    }
    const isProgress = !isResponse(message) && message.method === "notifications/progress";
    const progress = isProgress && message.params?.progressToken === this.id ? message.params : undefined;
    try {
      if (progress !== undefined) this.#onprogress?.(progress);
    } catch (error) {
      // What comes after it must not be lost with it.
      this.#options.onError(error as Error);
    }
    // An error need not say which request it answers.
    if (this.#isAttached && isAnswer) forward({ ...message, id: this.id });
    else if (this.#isAttached || !(isAnswer || progress !== undefined)) forward(message);
  }
}
