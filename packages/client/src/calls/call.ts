import { ResumeError } from "../errors.js";
import type { PreviousCall } from "./interrupted.js";
import { isRecord, type JsonRpcRequest, type Params } from "../json-rpc.js";
import type { Origin } from "../session/server-requests.js";
import type { Session } from "../session/session.js";
import type { ClientRecord, SavedCall } from "../state/session-state.js";
import type { StreamTask } from "../stream/task.js";

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
  /** Whether it waits for the app to claim it before it goes on. */
  isParked: boolean;
  /** Whether the response was a task, whose progress goes on (MCP 2025-11-25, Tasks). */
  isTask: boolean;
  /** Whether it may be executed again where nobody knows of the first time. */
  readonly canRunAnew: () => boolean;
}

interface NewCall extends Pick<Call, "session" | "request" | "key" | "cursor" | "take"> {
  /** Whether executing the request again does no harm. */
  readonly isHarmless: () => boolean;
  /** @defaultValue true */
  readonly mayBeSent?: boolean;
}

/** A request in flight, of which nothing was sent yet. */
export function createCall({ isHarmless, mayBeSent = true, ...given }: NewCall): Call {
  const canRunAnew = (): boolean => mayBeSent && isHarmless();
  const call: Call = {
    ...given,
    canRunAnew,
    abort: new AbortController(),
    previous: undefined,
    done: Promise.resolve(),
    isBegun: false,
    isAnswered: false,
    wasSent: false,
    isParked: false,
    isTask: false,
    isResendable: () => (mayBeSent && call.session.isIdempotent) || canRunAnew(),
  };
  return call;
}

/** Whether a call that failed can go on from its cursor: all it lacks is a login. */
export function outlivesFailure({ abort, cursor }: Call, error: unknown): boolean {
  const isLocked = error instanceof ResumeError && error.code === "unauthorized";
  return isLocked && cursor.eventId !== undefined && !abort.signal.aborted;
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

/** Notes in the record how far the app has had a call's messages. */
export function saveCursor(
  record: ClientRecord,
  { cursor, request }: Call,
  eventId: string | undefined,
): void {
  const saved = record.calls.find(({ id }) => id === request.id);
  if (saved === undefined) return;
  if (eventId === undefined) delete saved.cursor;
  else saved.cursor = eventId;
  if (cursor.retryMs !== undefined) saved.retryMs = cursor.retryMs;
}
