// Defines the transport's options, what each may be and its default, and checks what an app passes.
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

/** The endpoint's URL, and the options with their defaults. */
export interface ValidOptions
  extends Required<Omit<ResumableTransportOptions, Optional>>, Pick<ResumableTransportOptions, Optional> {
  readonly url: string;
}

/** A timer that is longer fires at once (HTML, timers; Node likewise). */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * The `timeout` of a request that is to wait for its answer as long as it takes, in milliseconds: the SDKs give a
 * request up after 60 s unless told otherwise, outages included. It is the longest that a timer can wait, 24.8 days;
 * `Infinity` would fire at once (HTML, timers; Node likewise). How long a call may be without any connection is the
 * transport's own option `maxElapsedMs`.
 */
export const NO_TIMEOUT = MAX_TIMER_MS;

/** How long a connection may be silent before it is taken for dead, while its keep-alive rhythm is not known. */
export const DEFAULT_SILENCE_MS = 45_000;

/** What an option may be, for the message too, and what it is where it is left out. */
type Rule = readonly [allowed: string, isValid: (value: unknown) => boolean, fallback?: unknown];

const isFunction = (value: unknown): boolean => typeof value === "function";
const isWholeNumber = (value: unknown, least: number): boolean =>
  Number.isSafeInteger(value) && Number(value) >= least;

const duration = (fallback: number): Rule => [
  `a number of milliseconds above 0 and at most ${MAX_TIMER_MS}`,
  (value) => typeof value === "number" && value > 0 && value <= MAX_TIMER_MS,
  fallback,
];
const count = (fallback: number): Rule => [
  "a whole number of at least 1",
  (value) => isWholeNumber(value, 1),
  fallback,
];
const oneOf = (values: readonly unknown[], fallback?: unknown): Rule => [
  values.map((value) => JSON.stringify(value)).join(" or "),
  (value) => value === fallback || values.includes(value),
  fallback,
];

const RULES: Readonly<Record<keyof ResumableTransportOptions, Rule>> = {
  store: [
    "a StateStore: memoryStore(), indexedDBStore() or fileStore(directory)",
    (value) => isRecord(value) && isFunction(value.acquire),
  ],
  partition: ["a string", (value) => typeof value === "string", ""],
  headers: ["a record of HTTP headers", isHeaders, {}],
  credentials: oneOf(["omit", "same-origin", "include"]),
  fetch: [
    "a function",
    isFunction,
    // Called as a method of another object, a browser's fetch throws "Illegal invocation".
    ((input, init) => globalThis.fetch(input, init)) satisfies typeof fetch,
  ],
  authProvider: [
    "an object with token(), and, optionally, onUnauthorized()",
    (value) =>
      value === undefined ||
      (isRecord(value) &&
        isFunction(value.token) &&
        (value.onUnauthorized === undefined || isFunction(value.onUnauthorized))),
  ],
  ack: oneOf(["auto", "manual"], "auto"),
  maxAgeMs: duration(24 * 60 * 60_000),
  maxElapsedMs: duration(30 * 60_000),
  silenceMs: duration(DEFAULT_SILENCE_MS),
  answerTimeoutMs: duration(30_000),
  maxConnections: [
    "a whole number of at least 2, or Infinity",
    (value) => value === undefined || value === Infinity || isWholeNumber(value, 2),
  ],
  maxMessageLength: count(16 * 1024 * 1024),
  maxQueuedMessages: count(1000),
  saveParams: oneOf([true, false], true),
  random: ["a function", isFunction, Math.random],
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

/** Checks the options and fills in their defaults. @throws {ResumeError} `invalid-option` */
export function validateOptions(url: string | URL, given: ResumableTransportOptions): ValidOptions {
  // What callers without types pass may be no object at all.
  const options: Readonly<Record<string, unknown>> = isRecord(given) ? given : {};
  const valid: Record<string, unknown> = {};
  for (const [name, [allowed, isValid, fallback]] of Object.entries(RULES)) {
    const value = options[name] === undefined ? fallback : options[name];
    if (!isValid(value)) throw invalid(name, allowed, value);
    valid[name] = value;
  }
  valid.url = validateUrl(url);
  // Each option was checked above.
  return valid as unknown as ValidOptions;
}

function validateUrl(url: string | URL): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  // With a password in the URL, `fetch` sends nothing at all.
  const isUsable =
    parsed !== undefined && /^https?:$/.test(parsed.protocol) && parsed.username + parsed.password === "";
  if (!isUsable)
    throw invalid(
      "url",
      "an absolute http(s) URL without a user name or password",
      // Without the password.
      parsed === undefined ? "something that is not a URL" : `${parsed.protocol}//${parsed.host}`,
    );
  parsed.hash = "";
  return parsed.href;
}

/** Checks an option of a store. @throws {ResumeError} `invalid-option` */
export function wholeNumber(option: string, value: number, least: number, most: number): number {
  if (!Number.isInteger(value) || value < least || value > most)
    throw new ResumeError(
      "invalid-option",
      `${option} is ${String(value)}; it must be a whole number from ${least} to ${most}`,
    );
  return value;
}
