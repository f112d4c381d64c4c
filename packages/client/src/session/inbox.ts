// Takes the server's messages, of whatever stream, and hands them to the SDK's client under the ids that it knows.
import { isRequest, isResponse, type JsonRpcMessage, type RequestId } from "../json-rpc.js";
import type { Context } from "./context.js";
import type { ServerRequests } from "./server-requests.js";
import type { Origin } from "./session.js";

/** Takes what the server sent. */
export type Receive = (message: JsonRpcMessage, origin: Origin) => void;

export class Inbox {
  readonly #context: Context;
  readonly #serverRequests: ServerRequests;
  readonly #deliver: (message: JsonRpcMessage) => void;
  /** A response has passed, by its request's id on the wire: it may have come on another stream than its call's. */
  onresponse: ((id: RequestId | undefined) => void) | undefined;

  /** @param deliver - the SDK client's own `onmessage` */
  constructor(context: Context, serverRequests: ServerRequests, deliver: (message: JsonRpcMessage) => void) {
    this.#context = context;
    this.#serverRequests = serverRequests;
    this.#deliver = deliver;
  }

  readonly receive: Receive = (message, origin) => {
    const { dispatch, ids } = this.#context;
    if (isRequest(message)) {
      const request = this.#serverRequests.take(message, origin);
      if (request !== undefined) this.hand(request);
    } else if (isResponse(message)) {
      ids.incoming(message, this.hand);
      this.onresponse?.(message.id);
    } else if (message.method === "notifications/cancelled") {
      this.hand(this.#serverRequests.cancelled(message, origin));
    } else if (message.method === "notifications/resumable-mcp/gap") {
      const missed = message.params?.missed;
      dispatch("gap", { stream: origin.stream, missed: typeof missed === "number" ? missed : undefined });
    } else ids.incoming(message, this.hand);
  };

  /** Hands a message, under the SDK's own ids, to its client. */
  readonly hand = (message: JsonRpcMessage): void => {
    // The SDKs take a response at once, a notification one microtask later: progress that came with the response
    // would find its handler gone.
    if (isResponse(message)) queueMicrotask(() => this.#tryDeliver(message));
    else this.#tryDeliver(message);
  };

  #tryDeliver(message: JsonRpcMessage): void {
    try {
      this.#deliver(message);
    } catch (error) {
      this.#context.onError(error as Error);
    }
  }
}
