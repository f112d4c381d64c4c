// Defines the client's one error class, and the codes by which an app tells what went wrong.
/**
 * What went wrong in the client. Match on the code, never on the message.
 *
 * - `invalid-option`: an option is out of range; thrown at construction.
 * - `closed`: the transport was closed, or not started.
 * - `session-lost`: the server no longer knows the session.
 * - `cursor-lost`: the server can no longer replay from the cursor; the rest of this stream is lost.
 * - `not-resumable`: the connection broke and the server cannot resume it (405).
 * - `gave-up`: no connection came about within `maxElapsedMs`.
 * - `interrupted`: the request's connection broke, with no event id to resume from; see `maybeExecuted`.
 * - `unauthorized`: 401 or 403, and no credentials that helped.
 * - `http`: any other refusal; see `status`.
 * - `not-sse`: the answer is neither an event stream nor JSON, or there is none (202 to a request).
 * - `server`: the server answered an interrupted call with a JSON-RPC error, which is the `cause`.
 * - `protocol`: the peer broke the protocol (invalid JSON-RPC, an event over the limit).
 * - `state-corrupt`: the saved state could not be read; it was set aside.
 * - `state-unavailable`: the state store cannot be used (no permission, quota, no storage); memory is used instead.
 */
export type ResumeErrorCode =
  | "invalid-option"
  | "closed"
  | "session-lost"
  | "cursor-lost"
  | "not-resumable"
  | "gave-up"
  | "interrupted"
  | "unauthorized"
  | "http"
  | "not-sse"
  | "server"
  | "protocol"
  | "state-corrupt"
  | "state-unavailable";

export interface ResumeErrorOptions {
  readonly cause?: unknown;
  /** Whether the server may have executed the request although no answer came. @defaultValue false */
  readonly maybeExecuted?: boolean;
  /** The HTTP status that the server answered with. */
  readonly status?: number;
}

/** The one error class of `@resumable-mcp/client`. */
export class ResumeError extends Error {
  override readonly name = "ResumeError";
  readonly code: ResumeErrorCode;
  /** Whether the server may have executed the request although no answer came. */
  readonly maybeExecuted: boolean;
  /** The HTTP status that the server answered with, if that was the cause. */
  readonly status: number | undefined;

  constructor(code: ResumeErrorCode, message: string, options: ResumeErrorOptions = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.maybeExecuted = options.maybeExecuted ?? false;
    this.status = options.status;
  }
}

/** Whether an error is a `ResumeError` with one of these codes. */
export function hasCode(error: unknown, ...codes: readonly ResumeErrorCode[]): error is ResumeError {
  return error instanceof ResumeError && codes.includes(error.code);
}
