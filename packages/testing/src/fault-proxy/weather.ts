// Defines the kinds of fault that the proxy knows, and what can be set for each of them.
import type { RequestKind } from "./http.js";

/** A number of bytes drawn evenly from `min` to `max`, both included. */
export interface ByteRange {
  readonly min: number;
  readonly max: number;
}

/** `up` is from the client to the target, `down` from the target to the client. */
export type Direction = "up" | "down" | "both";

/** Kinds of request that a fault befalls; left out: all of them. */
interface OnRequests {
  readonly on?: readonly RequestKind[];
}

/** How likely the fault befalls one request (or connection), from 0 to 1. @defaultValue 1 */
interface Share {
  readonly share?: number;
}

/**
 * Now and then, one of the open connections, chosen at random, is reset. The fewer are open, the harder each is hit;
 * see {@link Lifetimes} for the opposite.
 */
export interface Kills extends OnRequests {
  readonly kind: "kills";
  /** Mean time between two kills in milliseconds, whatever the number of connections. Exponentially distributed. */
  readonly meanIntervalMs: number;
}

/** Each connection is reset after a time of its own, counted from its latest request, whatever the others do. */
export interface Lifetimes extends OnRequests, Share {
  readonly kind: "lifetimes";
  /** Mean time from a request to the reset in milliseconds. Exponentially distributed: age does not matter. */
  readonly meanMs: number;
}

/** The connection is reset as soon as so many bytes of the answer (its head included) have gone down. */
export interface Cuts extends OnRequests, Share {
  readonly kind: "cuts";
  readonly afterBytes: ByteRange;
  /**
   * Strikes only each so-manieth of the requests that it may befall, counted as they come: where a share might by
   * chance strike none. @defaultValue 1
   */
  readonly every?: number;
}

/** The network goes away for `lastingMs` at the end of every `everyMs`: everything open is reset, nothing gets in. */
export interface Outages {
  readonly kind: "outages";
  readonly everyMs: number;
  readonly lastingMs: number;
}

/**
 * The server behind the proxy goes away for `lastingMs` at the end of every `everyMs`: everything open is reset, and
 * the proxy itself answers each request with an error status, as a gateway does.
 */
export interface Storms {
  readonly kind: "storms";
  readonly everyMs: number;
  readonly lastingMs: number;
  /** From 400 to 599. @defaultValue 503 */
  readonly status?: number;
  /** Seconds for a `Retry-After` header. @defaultValue none */
  readonly retryAfterSeconds?: number;
}

/** One outage that lasts until the weather is changed. */
export interface Offline {
  readonly kind: "offline";
}

/**
 * The connection stays open and its bytes are swallowed, after so many bytes of the answer have gone down. Neither
 * end learns that the other closes, as with a sleeping laptop. Silence outlasts a change of the weather: the bytes
 * are gone, and what follows them would make no sense.
 */
export interface Silence extends OnRequests, Share {
  readonly kind: "silence";
  /** @defaultValue 0: the request itself is swallowed, unless only `down` is silent */
  readonly afterBytes?: ByteRange;
  /** @defaultValue "both" */
  readonly direction?: Direction;
}

/** Every byte arrives so much later, in order. What is on its way keeps its delay when the weather changes. */
export interface Latency extends OnRequests {
  readonly kind: "latency";
  /** One way, in milliseconds. */
  readonly ms: number;
  /** Added or taken away at random, evenly, up to this much, in milliseconds; at most `ms`. @defaultValue 0 */
  readonly jitterMs?: number;
  /** @defaultValue "both" */
  readonly direction?: Direction;
}

/** The answer comes down no faster than this. */
export interface Trickle extends OnRequests {
  readonly kind: "trickle";
  readonly bytesPerSecond: number;
}

/** The connection is accepted and closed, in good order, before anything is read from it. */
export interface AcceptAndClose extends Share {
  readonly kind: "accept-and-close";
}

/** The proxy itself answers with an error status; the request does not reach the target. */
export interface Unavailable extends OnRequests, Share {
  readonly kind: "unavailable";
  /** From 400 to 599. @defaultValue 503 */
  readonly status?: number;
  /** Seconds for a `Retry-After` header. @defaultValue none */
  readonly retryAfterSeconds?: number;
}

/** The proxy itself answers with a 200, `text/event-stream`, without events, and closes. */
export interface EmptyStream extends OnRequests, Share {
  readonly kind: "empty-stream";
}

export type Fault =
  | Kills
  | Lifetimes
  | Cuts
  | Outages
  | Storms
  | Offline
  | Silence
  | Latency
  | Trickle
  | AcceptAndClose
  | Unavailable
  | EmptyStream;

/** Faults that act at the same time. An empty list is calm: bytes pass unchanged. */
export type Weather = readonly Fault[];
