import type { Acknowledgements } from "./acknowledgements.js";
import type { StreamName } from "./events.js";
import type { JsonRpcMessage } from "./json-rpc.js";
import type { Resendable } from "./resendable.js";
import type { Origin } from "./server-requests.js";
import type { SessionKeeper } from "./session-keeper.js";
import type { SessionState } from "./session-state.js";
import type { Link } from "./stream-task.js";
import type { WireIds } from "./wire-ids.js";

/** What the requests in flight need from their transport. */
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
  readonly receive: (message: JsonRpcMessage, origin: Origin) => void;
  readonly onCursor: (stream: StreamName, eventId: string, persisted: boolean) => void;
  readonly onError: (error: Error) => void;
}
