// Defines what one stream is to do, and makes the link that all streams of a transport share.
import type { Outage } from "./backoff.js";
import { type ConnectionBudget, createBudget } from "../connections/budget.js";
import type { ResumeError } from "../errors.js";
import { type JsonRpcMessage, type JsonRpcRequest, isRequest } from "../json-rpc.js";
import { type HttpOptions, type SessionRef, openStream } from "./http.js";
import type { StreamCursor } from "./cursor.js";
import { type Wake, shareWake, environmentWake } from "../connections/wake.js";
import type { StreamName, TransportEventMap, TransportStatus } from "../events.js";
import type { ValidOptions } from "../options.js";

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
  /** Whether its connection ends soon by itself, and needs no permit among the long-lived ones. @defaultValue false */
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

/** How a stream is doing: what the transport as a whole tells the app is made of these. */
export type StreamStatus = Extract<TransportStatus, { state: "live" | "offline" | "waiting" }>;

/** What a stream needs from the transport. */
export interface Link extends HttpOptions, Pick<ValidOptions, "random" | "silenceMs"> {
  readonly wake: Wake;
  readonly budget: ConnectionBudget;
  /** The HTTP status of a `ping` in the session; 503 when there was no answer. */
  readonly ping: (session: SessionRef, signal: AbortSignal) => Promise<number>;
  /** `undefined` when the stream is over. */
  readonly onStatus: (task: StreamTask, status: StreamStatus | undefined) => void;
  readonly onResumed: (task: StreamTask, outage: Outage) => void;
  /** Messages were lost for good; how many is not known. */
  readonly onGap: (task: StreamTask) => void;
  readonly onError: (error: ResumeError) => void;
}

/** Mints the ids of pings, which must not collide with those of the requests beside them. */
interface PingIds {
  readonly outgoing: (ping: JsonRpcRequest) => JsonRpcRequest & { readonly id: string };
  readonly release: (id: string, isTask: false) => void;
}

export interface LinkOptions {
  readonly ids: PingIds;
  readonly options: ValidOptions;
  /** The status of all streams together. */
  readonly onStatus: (status: TransportStatus) => void;
  readonly onEvent: <Type extends "resumed" | "gap">(type: Type, detail: TransportEventMap[Type]) => void;
  readonly onError: (error: ResumeError) => void;
}

/** What the streams of one transport share. */
export function createLink({ ids, options, onStatus, onEvent, onError }: LinkOptions): Link {
  const streams = new Map<StreamTask, StreamStatus>();
  const environment = environmentWake();
  // A server on this machine is reachable without a network.
  const isLoopback = /^(localhost|127\..*|\[::1\])$/.test(new URL(options.url).hostname);
  const wake = shareWake(
    isLoopback ? { ...environment, isOffline: () => false } : environment,
    options.random,
  );
  return {
    ...options,
    budget: createBudget(options.url, options.maxConnections),
    wake,
    ping: async (session, signal) => {
      const message = ids.outgoing({ jsonrpc: "2.0", id: 0, method: "ping" });
      const opened = await openStream(options, session, { method: "POST", message }, signal).finally(() =>
        ids.release(message.id, false),
      );
      if (opened.kind === "events") void opened.body.cancel().catch(() => undefined);
      if (opened.kind === "refused") return opened.status;
      return opened.kind === "unreachable" ? 503 : 200;
    },
    onStatus: (task, status) => {
      if (status === undefined) streams.delete(task);
      else streams.set(task, status);
      if (status?.state === "live") wake.gotThrough();
      onStatus(combineStatus(streams.values()));
    },
    onResumed: (task, outage) => onEvent("resumed", { stream: nameOf(task), ...outage }),
    onGap: (task) => onEvent("gap", { stream: nameOf(task), missed: undefined }),
    onError,
  };
}

function nameOf({ request }: StreamTask): StreamName {
  return request === undefined || !isRequest(request)
    ? { id: undefined, method: undefined }
    : { id: String(request.id), method: request.method };
}

/** The transport's status, made of those of its streams. */
export function combineStatus(streams: Iterable<StreamStatus>): TransportStatus {
  let worst: StreamStatus = { state: "live" };
  for (const stream of streams) {
    if (stream.state === "offline") return stream;
    if (stream.state !== "waiting") continue;
    if (worst.state !== "waiting" || stream.retryAt < worst.retryAt) worst = stream;
  }
  return worst;
}
