import { unlimitedBudget } from "../../src/connections/budget.js";
import type { AuthProvider } from "../../src/options.js";
import type { ResumeError } from "../../src/errors.js";
import { isResponse, type JsonRpcMessage } from "../../src/json-rpc.js";
import { StreamCursor } from "../../src/stream/cursor.js";
import { runStream } from "../../src/stream/loop.js";
import type { Link, StreamStatus, StreamTask } from "../../src/stream/task.js";

/** One HTTP request that the loop made. */
export interface Attempt {
  /** When, in milliseconds since the stream was started. */
  readonly at: number;
  readonly method: string;
  readonly lastEventId: string | null;
  readonly signal: AbortSignal;
}

/** What a request comes to: an answer, an error of the network, or nothing at all. */
export type Reply = Response | Error | "silence";

export interface ScriptedStreamOptions {
  /** Replies to the n-th request, from 0. */
  readonly reply: (n: number, attempt: Attempt) => Reply;
  /** @defaultValue a tool call under the id `w-1` */
  readonly request?: JsonRpcMessage | undefined;
  readonly listening?: boolean;
  readonly resendable?: boolean;
  readonly cursor?: StreamCursor;
  /** @defaultValue () => 0.5 */
  readonly random?: () => number;
  readonly maxElapsedMs?: number;
  readonly silenceMs?: number;
  readonly answerTimeoutMs?: number;
  readonly ping?: Link["ping"];
  readonly authProvider?: AuthProvider;
  readonly isOffline?: () => boolean;
  /** Takes the messages instead of collecting them. */
  readonly take?: StreamTask["take"];
}

export interface ScriptedStream {
  readonly attempts: readonly Attempt[];
  /** When the attempts were made, in milliseconds since the start. */
  readonly times: () => readonly number[];
  readonly messages: readonly JsonRpcMessage[];
  readonly statuses: readonly (StreamStatus | undefined)[];
  readonly resumed: readonly { readonly attempts: number; readonly downMs: number }[];
  readonly errors: readonly ResumeError[];
  readonly gaps: () => number;
  /** Comes online, or into view. */
  readonly wake: () => void;
  readonly wakeListeners: () => number;
  readonly abort: AbortController;
  /** How the stream ended: `"done"`, or its error. */
  readonly ending: Promise<unknown>;
  /** The same, as soon as it is known. */
  readonly ended: () => unknown;
}

export const CALL: JsonRpcMessage = {
  jsonrpc: "2.0",
  id: "w-1",
  method: "tools/call",
  params: { name: "count" },
};

/** The response that ends {@link CALL}. */
export const RESPONSE: JsonRpcMessage = { jsonrpc: "2.0", id: "w-1", result: {} };

/** No test makes so many requests; a loop that hammers would otherwise fill the memory before it fails the test. */
const MAX_ATTEMPTS = 5000;

/** Runs one stream over a network whose every reply is scripted. For a fake clock: nothing in here is real. */
export function runScripted(options: ScriptedStreamOptions): ScriptedStream {
  const startedAt = Date.now();
  const attempts: Attempt[] = [];
  const messages: JsonRpcMessage[] = [];
  const statuses: (StreamStatus | undefined)[] = [];
  const resumed: { attempts: number; downMs: number }[] = [];
  const errors: ResumeError[] = [];
  const listeners = new Set<() => void>();
  const abort = new AbortController();
  let gaps = 0;
  let ended: unknown;
  const fetched = (_url: unknown, init: RequestInit = {}): Promise<Response> => {
    const signal = init.signal ?? new AbortController().signal;
    const attempt: Attempt = {
      at: Date.now() - startedAt,
      method: init.method ?? "GET",
      lastEventId: new Headers(init.headers).get("Last-Event-ID"),
      signal,
    };
    attempts.push(attempt);
    if (attempts.length > MAX_ATTEMPTS) abort.abort(new Error(`More than ${MAX_ATTEMPTS} requests`));
    const reply = options.reply(attempts.length - 1, attempt);
    if (reply instanceof Response) return Promise.resolve(reply);
    if (reply instanceof Error) return Promise.reject(reply);
    return new Promise((_, reject) =>
      signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true }),
    );
  };
  const link: Link = {
    url: "https://mcp.example/mcp",
    fetch: fetched,
    headers: {},
    ...(options.authProvider === undefined ? {} : { authProvider: options.authProvider }),
    maxMessageLength: 1_000_000,
    answerTimeoutMs: options.answerTimeoutMs ?? 30_000,
    wake: {
      isOffline: options.isOffline ?? (() => false),
      subscribe(listener) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
    random: options.random ?? (() => 0.5),
    maxElapsedMs: options.maxElapsedMs ?? 30 * 60_000,
    silenceMs: options.silenceMs ?? 45_000,
    budget: unlimitedBudget,
    ping: options.ping ?? (() => Promise.resolve(200)),
    onStatus: (_task, status) => statuses.push(status),
    onResumed: (_task, outage) => resumed.push(outage),
    onGap: () => (gaps += 1),
    onError: (error) => errors.push(error),
  };
  const task: StreamTask = {
    session: { id: "s1", protocolVersion: "2025-11-25", isIdempotent: false },
    request: options.listening === true ? undefined : (options.request ?? CALL),
    cursor: options.cursor ?? new StreamCursor(),
    isResendable: () => options.resendable ?? options.listening ?? false,
    take:
      options.take ??
      ((taken) => {
        messages.push(...taken);
        return taken.some(isResponse);
      }),
  };
  const ending = runStream(task, link, abort.signal).then(
    () => (ended = "done"),
    (error: unknown) => (ended = error),
  );
  return {
    attempts,
    times: () => attempts.map(({ at }) => at),
    messages,
    statuses,
    resumed,
    errors,
    gaps: () => gaps,
    wake: () => listeners.forEach((listener) => listener()),
    wakeListeners: () => listeners.size,
    abort,
    ending,
    ended: () => ended,
  };
}
