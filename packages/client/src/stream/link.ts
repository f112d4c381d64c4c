import { createBudget } from "../connections/environment-budget.js";
import type { ResumeError } from "../errors.js";
import type { StreamName, TransportEventMap, TransportStatus } from "../events.js";
import { isRequest } from "../json-rpc.js";
import { type HttpOptions, openStream } from "./open-stream.js";
import type { ValidOptions } from "../options.js";
import { withPeers } from "../connections/peers.js";
import { combineStatus } from "./status.js";
import type { Link, StreamStatus, StreamTask } from "./stream-task.js";
import { environmentWake } from "../connections/wake.js";
import type { WireIds } from "../session/wire-ids.js";

export interface LinkOptions {
  readonly http: HttpOptions;
  readonly ids: WireIds;
  readonly options: ValidOptions;
  /** The status of all streams together. */
  readonly onStatus: (status: TransportStatus) => void;
  readonly onEvent: <Type extends "resumed" | "gap">(type: Type, detail: TransportEventMap[Type]) => void;
  readonly onError: (error: ResumeError) => void;
}

/** What the streams of one transport share. */
export function createLink({ http, ids, options, onStatus, onEvent, onError }: LinkOptions): Link {
  const streams = new Map<StreamTask, StreamStatus>();
  const environment = environmentWake();
  // A server on this machine is reachable without a network.
  const isLoopback = /^(localhost|127\..*|\[::1\])$/.test(new URL(http.url).hostname);
  const wake = withPeers(
    isLoopback ? { ...environment, isOffline: () => false } : environment,
    options.random,
  );
  return {
    http,
    random: options.random,
    maxElapsedMs: options.maxElapsedMs,
    silenceMs: options.silenceMs,
    budget: createBudget(http.url, options.maxConnections),
    wake,
    ping: async (session, signal) => {
      const message = ids.outgoing({ jsonrpc: "2.0", id: 0, method: "ping" });
      const opened = await openStream(http, session, { method: "POST", message }, signal).finally(() =>
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
    onResumed: (task, attempts, downMs) => onEvent("resumed", { stream: nameOf(task), attempts, downMs }),
    onGap: (task) => onEvent("gap", { stream: nameOf(task), missed: undefined }),
    onError,
  };
}

function nameOf({ request }: StreamTask): StreamName {
  return request === undefined || !isRequest(request)
    ? { id: undefined, method: undefined }
    : { id: String(request.id), method: request.method };
}
