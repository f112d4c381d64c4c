import type { ConnectionBudget } from "../connections/connection-budget.js";
import type { ResumeError } from "../errors.js";
import type { JsonRpcMessage } from "../json-rpc.js";
import type { HttpOptions, SessionRef } from "./open-stream.js";
import type { StreamCursor } from "./stream-cursor.js";
import type { Wake } from "../connections/wake.js";

/** One stream of a session: the answer to a request, or the standalone stream. */
export interface StreamTask {
  readonly session: SessionRef;
  /**
   * The message that opens the stream, with its id on the wire; `undefined` for the standalone stream. A
   * notification or an answer is done as soon as the server accepted it.
   */
  readonly request: JsonRpcMessage | undefined;
  readonly cursor: StreamCursor;
  /** Whether the request was sent before, in an earlier life or session. @defaultValue false */
  readonly wasSent?: boolean;
  /** Whether its connection ends soon by itself, and needs no place among the long-lived ones. @defaultValue false */
  readonly isBrief?: boolean;
  /** Whether executing the request again does no harm. */
  readonly isResendable: () => boolean;
  /**
   * Takes what one event carried (nothing, for a priming event), after the cursor moved past it. What it returns
   * settles when the stream is aborted, too.
   *
   * @returns whether the final response was among it.
   */
  readonly take: (messages: readonly JsonRpcMessage[]) => Promise<boolean> | boolean;
}

/** How a stream is doing, for the app to show. */
export type StreamStatus =
  | { readonly state: "live" }
  | { readonly state: "offline" }
  | {
      readonly state: "waiting";
      /** How often it was tried without progress, this time included. */
      readonly attempt: number;
      /** When the next attempt is due, in milliseconds since the epoch. */
      readonly retryAt: number;
    };

/** What a stream needs from the transport. */
export interface Link {
  readonly http: HttpOptions;
  readonly wake: Wake;
  readonly budget: ConnectionBudget;
  readonly random: () => number;
  readonly maxElapsedMs: number;
  readonly silenceMs: number;
  /** The HTTP status of a `ping` in the session; 503 when there was no answer. */
  readonly ping: (session: SessionRef, signal: AbortSignal) => Promise<number>;
  /** `undefined` when the stream is over. */
  readonly onStatus: (task: StreamTask, status: StreamStatus | undefined) => void;
  readonly onResumed: (task: StreamTask, attempts: number, downMs: number) => void;
  /** Messages were lost for good; how many is not known. */
  readonly onGap: (task: StreamTask) => void;
  readonly onError: (error: ResumeError) => void;
}
