// Keeps the log and the counters of everything that the fault proxy saw and did.
import type { AnswerProgress, RequestHead } from "./http.js";

/** A request, and how far its answer had come down when the event happened. */
export interface RequestRecord extends RequestHead {
  /** Counts the requests of one connection from 1. */
  readonly number: number;
  /** Bytes of the answer, its head included. */
  readonly bytesDown: number;
  readonly answer: AnswerProgress;
  /** Whether the answer is an event stream. */
  readonly isStream: boolean;
}

/** Why the proxy interfered; `control` is `killAll()` or `silenceAll()`. */
export type Cause =
  | "kills"
  | "lifetimes"
  | "cuts"
  | "outages"
  | "storms"
  | "offline"
  | "silence"
  | "accept-and-close"
  | "unavailable"
  | "empty-stream"
  | "control";

interface Happening {
  /** Milliseconds since the proxy was started. */
  readonly atMs: number;
  /** Counts the accepted connections from 1. */
  readonly connection: number;
}

interface Befallen extends Happening {
  readonly cause: Cause;
  /** The latest request on the connection; undefined when none had come yet. */
  readonly request: RequestRecord | undefined;
}

/** Something that the proxy saw or did. */
export type ProxyEvent =
  /** A connection was accepted. */
  | (Happening & { readonly type: "opened" })
  /** The head of a request came. */
  | (Happening & { readonly type: "request"; readonly request: RequestRecord })
  /** The proxy reset a connection. */
  | (Befallen & { readonly type: "cut" })
  /** The proxy began to swallow the bytes of a connection. */
  | (Befallen & { readonly type: "silenced" })
  /** The proxy answered a request itself. */
  | (Befallen & { readonly type: "answered"; readonly status: number })
  /** The proxy turned a connection away as soon as it was accepted. */
  | (Happening & { readonly type: "refused"; readonly cause: Cause })
  /** The target could not be reached; the client was reset. */
  | (Happening & { readonly type: "unreachable"; readonly error: Error });

/** Whether a connection was reset while an event stream was on its way: after its head, before its end. */
export function isCutInMidStream(event: ProxyEvent): boolean {
  return event.type === "cut" && event.request?.isStream === true && event.request.answer !== "complete";
}

/** Whether a connection was reset that carried a resumed stream, or the request for one, not yet at its end. */
export function isCutOnResume(event: ProxyEvent): boolean {
  return event.type === "cut" && event.request?.kind === "resume" && event.request.answer !== "complete";
}

/** How often each kind of thing has happened. Counts everything, also what the log has let go. */
export interface Counters {
  readonly opened: number;
  readonly request: number;
  readonly cut: number;
  /** Those of `cut` for which {@link isCutInMidStream} holds. */
  readonly cutInMidStream: number;
  /** Those of `cut` for which {@link isCutOnResume} holds. */
  readonly cutOnResume: number;
  readonly silenced: number;
  readonly answered: number;
  readonly refused: number;
  readonly unreachable: number;
}

/** What the proxy did, in order, the newest `maxEntries` of it; and the counts of all of it. */
export class Journal {
  readonly #startMs = performance.now();
  readonly #maxEntries: number;
  readonly #onEvent: (event: ProxyEvent) => void;
  readonly #log: ProxyEvent[] = [];
  readonly #counters = {
    opened: 0,
    request: 0,
    cut: 0,
    cutInMidStream: 0,
    cutOnResume: 0,
    silenced: 0,
    answered: 0,
    refused: 0,
    unreachable: 0,
  };

  constructor(maxEntries: number, onEvent: (event: ProxyEvent) => void) {
    this.#maxEntries = maxEntries;
    this.#onEvent = onEvent;
  }

  get log(): readonly ProxyEvent[] {
    return [...this.#log];
  }

  get counters(): Counters {
    return { ...this.#counters };
  }

  now(): number {
    return performance.now() - this.#startMs;
  }

  note(event: ProxyEvent): void {
    this.#counters[event.type] += 1;
    if (isCutInMidStream(event)) this.#counters.cutInMidStream += 1;
    if (isCutOnResume(event)) this.#counters.cutOnResume += 1;
    this.#log.push(event);
    if (this.#log.length > this.#maxEntries) this.#log.shift();
    this.#onEvent(event);
  }
}
