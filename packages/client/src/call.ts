import type { PreviousCall } from "./interrupted.js";
import { isRecord, type JsonRpcRequest, type Params } from "./json-rpc.js";
import type { Origin } from "./server-requests.js";
import type { Session } from "./session.js";
import type { SavedCall } from "./session-state.js";
import type { StreamTask } from "./stream-task.js";

/** A request under its id on the wire. */
export type WireRequest = JsonRpcRequest & { readonly id: string };

/** A request in flight. */
export interface Call extends StreamTask {
  session: Session;
  readonly request: WireRequest;
  readonly key: string | undefined;
  readonly abort: AbortController;
  /** What the app holds of a call that an earlier life began. */
  previous: PreviousCall | undefined;
  /** Settles when the response was handed over or none can come. */
  done: Promise<void>;
  /** Whether the stream's first event came. */
  isBegun: boolean;
  /** Whether the response was handed over. */
  isAnswered: boolean;
  wasSent: boolean;
  /** Whether the response was a task, whose progress goes on (MCP 2025-11-25, Tasks). */
  isTask: boolean;
}

/** The app's own name for the call. */
export function keyOf(request: JsonRpcRequest): string | undefined {
  const meta = request.params?._meta;
  const key = isRecord(meta) ? meta["resumable-mcp/key"] : undefined;
  return typeof key === "string" ? key : undefined;
}

/** Where the messages of the event that the cursor is at came from. */
export function originOf({ cursor, request, session }: Call): Origin {
  return { stream: { id: request.id, method: request.method }, session, eventId: cursor.eventId };
}

/** A call that is about to be sent, as it is saved. */
export function savedCallOf({ key, request }: Call, params: Params | undefined): SavedCall {
  return {
    id: request.id,
    method: request.method,
    startedAt: Date.now(),
    ...(key === undefined ? {} : { key }),
    ...(params === undefined ? {} : { params }),
  };
}
