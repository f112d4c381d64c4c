import { ResumeError } from "./errors.js";
import type { AuthProvider } from "./open-stream.js";
import type { StateStore } from "./state-store.js";
import { DEFAULT_SILENCE_MS } from "./watchdog.js";

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
  /** The largest message, in characters. @defaultValue 16 Mi */
  readonly maxMessageLength?: number;
  /** Messages of an interrupted call that wait to be claimed; then reading stops. @defaultValue 1000 */
  readonly maxQueuedMessages?: number;
  /** Whether the parameters of running calls are saved, for `interrupted()` to show. @defaultValue true */
  readonly saveParams?: boolean;
  /** A random number, at least 0 and below 1, for the jitter of the backoff. @defaultValue `Math.random` */
  readonly random?: () => number;
}

export type ValidOptions = Required<Omit<ResumableTransportOptions, "credentials" | "authProvider">> &
  Pick<ResumableTransportOptions, "credentials" | "authProvider">;

const DEFAULTS = {
  maxAgeMs: 24 * 60 * 60_000,
  maxElapsedMs: 30 * 60_000,
  silenceMs: DEFAULT_SILENCE_MS,
  answerTimeoutMs: 30_000,
  maxMessageLength: 16 * 1024 * 1024,
  maxQueuedMessages: 1000,
};

/** A timer that is longer fires at once (HTML, timers; Node likewise). */
const MAX_TIMER_MS = 2 ** 31 - 1;

function invalid(option: string, allowed: string, value: unknown): ResumeError {
  return new ResumeError("invalid-option", `Option ${option} must be ${allowed}; got ${String(value)}`);
}

/** Fills in the defaults. @throws {ResumeError} `invalid-option` */
export function validateOptions(options: ResumableTransportOptions): ValidOptions {
  if (typeof (options as Partial<ResumableTransportOptions> | undefined)?.store?.acquire !== "function") {
    throw invalid(
      "store",
      "a StateStore: memoryStore(), indexedDBStore() or fileStore(directory)",
      undefined,
    );
  }
  for (const name of ["maxAgeMs", "maxElapsedMs", "silenceMs", "answerTimeoutMs"] as const) {
    const value = options[name] ?? DEFAULTS[name];
    if (!(value > 0 && value <= MAX_TIMER_MS))
      throw invalid(name, `above 0 and at most ${MAX_TIMER_MS}`, value);
  }
  for (const name of ["maxMessageLength", "maxQueuedMessages"] as const) {
    const value = options[name] ?? DEFAULTS[name];
    if (!Number.isSafeInteger(value) || value < 1) throw invalid(name, "a whole number of at least 1", value);
  }
  const ack: unknown = options.ack ?? "auto";
  if (ack !== "auto" && ack !== "manual") throw invalid("ack", `"auto" or "manual"`, ack);
  if (typeof (options.partition ?? "") !== "string")
    throw invalid("partition", "a string", options.partition);
  if (typeof (options.fetch ?? globalThis.fetch) !== "function")
    throw invalid("fetch", "a function", options.fetch);
  return {
    partition: "",
    headers: {},
    // Called as a method of another object, a browser's fetch throws "Illegal invocation".
    fetch: (input, init) => globalThis.fetch(input, init),
    ack: "auto",
    saveParams: true,
    random: Math.random,
    ...DEFAULTS,
    ...(Object.fromEntries(
      Object.entries(options).filter(([, value]) => value !== undefined),
    ) as typeof options),
  };
}

/** @throws {ResumeError} `invalid-option` */
export function validateUrl(url: string | URL): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || !/^https?:$/.test(parsed.protocol))
    throw invalid("url", "an absolute http(s) URL", url);
  parsed.hash = "";
  return parsed.href;
}
