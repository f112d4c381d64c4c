import { ResumeError } from "./errors.js";
import { isRecord } from "./json-rpc.js";
import type { StateStore } from "./state/state-store.js";

/** Where credentials come from. */
export interface AuthProvider {
  /**
   * The bearer token for the next HTTP request; `undefined` for none. When it rejects, or takes longer than
   * `answerTimeoutMs`, nothing was sent: it is tried again as if the network had failed. A token that no header can
   * carry counts as refused.
   */
  token(): string | undefined | Promise<string | undefined>;
  /**
   * Called when an HTTP request was answered 401 or 403, at most once for each of them. When it resolves, the request
   * is made once more with a new `token()`; when it rejects, takes longer than `maxElapsedMs`, or the answer is the
   * same, the call fails with `unauthorized`.
   *
   * @param token - the one that was refused: several requests may be refused for one token at once
   */
  onUnauthorized?(response: Response, token: string | undefined): void | Promise<void>;
}

export interface ResumableTransportOptions {
  /**
   * Where session and cursors are kept. There is no default: `memoryStore()` survives dropped connections,
   * `indexedDBStore()` also reloads, `fileStore(directory)` also restarts.
   */
  readonly store: StateStore;
  /**
   * The app's user or account. A session is never picked up by another one.
   * @defaultValue `""`
   */
  readonly partition?: string;
  /** Headers for every HTTP request. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Whether cookies go to another origin, as in `fetch`. */
  readonly credentials?: RequestCredentials;
  /** @defaultValue `globalThis.fetch` */
  readonly fetch?: typeof fetch;
  readonly authProvider?: AuthProvider;
  /**
   * When a message counts as handled: by itself one macrotask after it was handed to the SDK's client, or when the
   * app calls `transport.ack()`.
   * @defaultValue `"auto"`
   */
  readonly ack?: "auto" | "manual";
  /** Saved state older than so many milliseconds is forgotten. @defaultValue 24 hours */
  readonly maxAgeMs?: number;
  /** How long a call may be without any connection before it fails with `gave-up`, in ms. @defaultValue 30 minutes */
  readonly maxElapsedMs?: number;
  /** How long a resumable connection may be silent before it is replaced, in ms. @defaultValue 45 s */
  readonly silenceMs?: number;
  /** How long the server may take to answer a resume, a ping or a notification, in ms. @defaultValue 30 s */
  readonly answerTimeoutMs?: number;
  /**
   * How many connections this transport and those of the browser's other tabs and workers may hold at once to the
   * server's origin, at least 2. Past that the streams that are silent for longest are closed and resumed in rotation;
   * one that cannot be resumed is never closed. Pings and notifications come on top. With fewer events kept per stream
   * than come in a few seconds, the server may report a gap for a stream that waited its turn.
   * @defaultValue 4 in a browser that reaches the server over HTTP/1.1 (of the six that it has); elsewhere no limit
   */
  readonly maxConnections?: number;
  /** The largest message, in characters. @defaultValue 16 Mi */
  readonly maxMessageLength?: number;
  /** Messages of an interrupted call that wait to be claimed; then reading stops. @defaultValue 1000 */
  readonly maxQueuedMessages?: number;
  /** Whether the parameters of running calls are saved, for `interrupted()` to show. @defaultValue true */
  readonly saveParams?: boolean;
  /** A random number, at least 0 and below 1, for the jitter of the backoff. @defaultValue `Math.random` */
  readonly random?: () => number;
}

type Optional = "credentials" | "authProvider" | "maxConnections";

export type ValidOptions = Required<Omit<ResumableTransportOptions, Optional>> &
  Pick<ResumableTransportOptions, Optional>;

/** How long a connection may be silent before it is taken for dead, while its keep-alive rhythm is not known. */
export const DEFAULT_SILENCE_MS = 45_000;

const DEFAULTS = {
  partition: "",
  headers: {},
  // Called as a method of another object, a browser's fetch throws "Illegal invocation".
  fetch: ((input, init) => globalThis.fetch(input, init)) as typeof fetch,
  ack: "auto",
  saveParams: true,
  random: Math.random,
  maxAgeMs: 24 * 60 * 60_000,
  maxElapsedMs: 30 * 60_000,
  silenceMs: DEFAULT_SILENCE_MS,
  answerTimeoutMs: 30_000,
  maxMessageLength: 16 * 1024 * 1024,
  maxQueuedMessages: 1000,
} as const;

/** A timer that is longer fires at once (HTML, timers; Node likewise). */
const MAX_TIMER_MS = 2 ** 31 - 1;

type Check = readonly [allowed: string, isValid: (value: unknown) => boolean];

const isFunction = (value: unknown): boolean => typeof value === "function";
const duration: Check = [
  `a number above 0 and at most ${MAX_TIMER_MS}`,
  (value) => typeof value === "number" && value > 0 && value <= MAX_TIMER_MS,
];
const count: Check = [
  "a whole number of at least 1",
  (value) => Number.isSafeInteger(value) && Number(value) >= 1,
];
const oneOf = (...values: readonly unknown[]): Check => [
  values.map((value) => JSON.stringify(value)).join(" or "),
  (value) => values.includes(value),
];

const CHECKS: Readonly<Record<keyof ResumableTransportOptions, Check>> = {
  store: [
    "a StateStore: memoryStore(), indexedDBStore() or fileStore(directory)",
    (value) => isRecord(value) && isFunction(value.acquire),
  ],
  partition: ["a string", (value) => typeof value === "string"],
  headers: ["a record of HTTP headers", isHeaders],
  credentials: oneOf(undefined, "omit", "same-origin", "include"),
  fetch: ["a function", isFunction],
  authProvider: [
    "an object with token(), and onUnauthorized() if at all",
    (value) =>
      value === undefined ||
      (isRecord(value) &&
        isFunction(value.token) &&
        (value.onUnauthorized === undefined || isFunction(value.onUnauthorized))),
  ],
  ack: oneOf("auto", "manual"),
  maxAgeMs: duration,
  maxElapsedMs: duration,
  silenceMs: duration,
  answerTimeoutMs: duration,
  maxMessageLength: count,
  maxQueuedMessages: count,
  maxConnections: [
    "a whole number of at least 2, or Infinity",
    (value) =>
      value === undefined || value === Infinity || (Number.isSafeInteger(value) && Number(value) >= 2),
  ],
  saveParams: oneOf(true, false),
  random: ["a function", isFunction],
};

/** A header that `fetch` refuses would look like a network that fails. */
function isHeaders(value: unknown): boolean {
  try {
    return isRecord(value) && new Headers(value as Record<string, string>) instanceof Headers;
  } catch {
    return false;
  }
}

function invalid(option: string, allowed: string, value: unknown): ResumeError {
  return new ResumeError("invalid-option", `Option ${option} must be ${allowed}; got ${String(value)}`);
}

/** Fills in the defaults. @throws {ResumeError} `invalid-option` */
export function validateOptions(options: ResumableTransportOptions): ValidOptions {
  const given = Object.entries(isRecord(options) ? options : {}).filter(([, value]) => value !== undefined);
  const merged: Readonly<Record<string, unknown>> = { ...DEFAULTS, ...Object.fromEntries(given) };
  for (const [name, [allowed, isValid]] of Object.entries(CHECKS)) {
    if (!isValid(merged[name])) throw invalid(name, allowed, merged[name]);
  }
  // Each option was checked above.
  return merged as unknown as ValidOptions;
}

/** @throws {ResumeError} `invalid-option` */
export function validateUrl(url: string | URL): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  // With a password in the URL, `fetch` sends nothing at all.
  const isUsable =
    parsed !== undefined && /^https?:$/.test(parsed.protocol) && parsed.username + parsed.password === "";
  if (!isUsable)
    throw invalid(
      "url",
      "an absolute http(s) URL without a user name or password",
      parsed?.host ?? "what is none",
    );
  parsed.hash = "";
  return parsed.href;
}

/**
 * The `timeout` of a request that is to wait for its answer as long as it takes, in milliseconds: the SDKs give a
 * request up after 60 s unless told otherwise, outages included. It is the longest that a timer can wait, 24.8 days;
 * `Infinity` would fire at once (HTML, timers; Node likewise). How long a call may be without any connection is the
 * transport's own option `maxElapsedMs`.
 */
export const NO_TIMEOUT = 2 ** 31 - 1;
