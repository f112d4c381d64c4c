import type { Gap } from "./messages.js";

/**
 * Why a cursor cannot be resumed.
 *
 * - `malformed`: no event id of this store.
 * - `no-stream`: the stream is not there: never written by this session, deleted, or expired as a whole.
 * - `other-epoch`: the stream was lost and started anew (flushed, evicted, expired) since the id was given.
 * - `ahead`: the stream is shorter than the id says; the storage lost acknowledged events.
 * - `nothing-left`: the stream has ended, and all that came after the cursor is gone, the final response included.
 * - `gap`: messages after the cursor are gone, and `onGap` is `"refuse"`.
 * - `session-ended`: `endSession` was called for this session.
 */
export type UnknownReason =
  "malformed" | "no-stream" | "other-epoch" | "ahead" | "nothing-left" | "gap" | "session-ended";

/**
 * What became of a replay.
 *
 * - `resumed`: everything after the cursor was sent.
 * - `gap`: some messages after the cursor are gone; what is left was sent, behind a notification that says so.
 * - `finished`: the cursor is at or after the final response; nothing was sent.
 * - `unknown`: the cursor cannot be resumed; nothing was sent.
 *
 * `replayed` counts the messages that were sent, gap notifications not among them; `inspect` sends nothing.
 */
export type ReplayOutcome =
  | { readonly kind: "resumed"; readonly replayed: number }
  | ({ readonly kind: "gap"; readonly replayed: number } & Gap)
  | { readonly kind: "finished" }
  | { readonly kind: "unknown"; readonly reason: UnknownReason };
