import type { Resendable } from "./resendable.js";
import type { StreamsOptions } from "../session/standalone.js";
import type { WireIds } from "../session/wire-ids.js";

/** What the requests in flight need from their transport. */
export interface CallsOptions extends StreamsOptions {
  readonly ids: WireIds;
  readonly resendable: Resendable;
  readonly saveParams: boolean;
  readonly maxQueuedMessages: number;
}
