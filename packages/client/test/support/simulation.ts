import { event } from "./msw-server.js";
import type { Attempt, Reply } from "./scripted-network.js";

/** How one connection of a scripted server goes. */
export type Step =
  | { readonly kind: "refuse"; readonly status: number; readonly retryAfterSeconds: number | undefined }
  | { readonly kind: "fail"; readonly unsent: boolean }
  | { readonly kind: "silence" }
  | { readonly kind: "page" }
  | {
      readonly kind: "serve";
      /** Whether it begins with a priming event. */
      readonly primes: boolean;
      readonly retryMs: number | undefined;
      /** How many messages before the cursor are replayed once more. */
      readonly overlap: number;
      /** How many messages it sends before it ends. */
      readonly quota: number;
      /** `half`: it breaks in the middle of an event. `clear`: an empty id, and then a clean end. */
      readonly end: "close" | "cut" | "half" | "stall" | "clear";
      /** How many characters go into a chunk. */
      readonly chunkSize: number;
    };

/** A server's log and its weather. */
export interface World {
  readonly steps: readonly Step[];
  /** How every connection goes after those. @defaultValue calm */
  readonly rest?: Step | undefined;
  /** When the device has a reason to try again, in milliseconds from the start. */
  readonly wakesAt: readonly number[];
  /** When it says that it is offline. */
  readonly offline: readonly { readonly from: number; readonly lastingMs: number }[];
  /** How long after the one before each message is sent, in milliseconds. The last one is the response. */
  readonly pausesMs: readonly number[];
  /** Whether a resume begins with the event at the cursor, and primes with the next message's id, as in Rust. */
  readonly isInclusive: boolean;
  readonly listening: boolean;
}

/** What the server knows of one connection. */
export interface Connection {
  readonly at: number;
  readonly method: string;
  readonly step: Step;
  /** The `retry:` that was in force when it ended, in milliseconds. */
  retryMs: number | undefined;
  endedAt: number | undefined;
}

const CALM: Step = {
  kind: "serve",
  primes: true,
  retryMs: undefined,
  overlap: 0,
  quota: Infinity,
  end: "stall",
  chunkSize: 1000,
};

/** A server that keeps what it sent, and whose connections end as they are told to. For a fake clock. */
export class SimulatedServer {
  readonly connections: Connection[] = [];
  readonly #world: World;
  readonly #startedAt = Date.now();
  #retryMs: number | undefined;
  /** How often the request may have been executed. */
  executions = 0;
  /** How many messages were sent that had been sent before. */
  repeats = 0;
  /** When the first execution began: from then on messages are sent. */
  #executedAt = this.#startedAt;
  #primed = 0;
  /** The first message of the stream since it was last opened without a cursor. */
  #oldest = 1;

  constructor(world: World) {
    this.#world = world;
  }

  get count(): number {
    return this.#world.pausesMs.length;
  }

  /** When message `n`, from 1, is sent; in milliseconds since the epoch. */
  sentAt(n: number): number {
    return this.#executedAt + this.#world.pausesMs.slice(0, n).reduce((sum, pauseMs) => sum + pauseMs, 0);
  }

  reply(n: number, { lastEventId, method, signal }: Attempt): Reply {
    const step = this.#world.steps[n] ?? this.#world.rest ?? CALM;
    const now = Date.now();
    const connection: Connection = {
      at: now - this.#startedAt,
      method,
      step,
      retryMs: this.#retryMs,
      endedAt: undefined,
    };
    this.connections.push(connection);
    const isServed = step.kind === "serve";
    const mayRun =
      isServed || (step.kind === "fail" && !step.unsent) || (step.kind === "refuse" && step.status >= 500);
    if (method === "POST" && (mayRun || step.kind === "silence" || step.kind === "page")) {
      this.executions += 1;
      if (isServed) this.#executedAt = now;
    }
    if (isServed) return this.#serve(step, connection, lastEventId);
    const ended = (): number => (connection.endedAt = Date.now() - this.#startedAt);
    if (step.kind === "silence") {
      signal.addEventListener("abort", ended, { once: true });
      return "silence";
    }
    ended();
    if (step.kind === "page") return new Response("<html>", { headers: { "Content-Type": "text/html" } });
    if (step.kind === "fail") {
      return new TypeError("fetch failed", { cause: { code: step.unsent ? "ECONNREFUSED" : "ECONNRESET" } });
    }
    const { retryAfterSeconds: seconds, status } = step;
    return new Response(null, {
      status,
      headers: seconds === undefined ? {} : { "Retry-After": `${seconds}` },
    });
  }

  /** The first message of a connection, from 1. */
  #first(lastEventId: string | null): number {
    const head = this.#world.pausesMs.findIndex((_, n) => this.sentAt(n + 1) > Date.now()) + 1;
    if (lastEventId === null) return !this.#world.listening ? 1 : head === 0 ? this.count + 1 : head;
    const at = Number(lastEventId.split(":")[1]);
    return this.#world.isInclusive ? at : at + 1;
  }

  #serve(step: Step & { kind: "serve" }, connection: Connection, lastEventId: string | null): Response {
    const execution = this.executions;
    const first = this.#first(lastEventId);
    // No more is sent again than was sent before.
    if (lastEventId === null) this.#oldest = first;
    const from = Math.max(this.#oldest, first - step.overlap);
    this.repeats += Math.min(first - from, step.quota);
    const timers = new Set<ReturnType<typeof setTimeout>>();
    const end = (): void => {
      for (const timer of timers) clearTimeout(timer);
      connection.endedAt ??= Date.now() - this.#startedAt;
      connection.retryMs = this.#retryMs;
    };
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        const later = (at: number, action: () => void): void => {
          timers.add(setTimeout(action, Math.max(0, at - Date.now())));
        };
        const send = (text: string): void => {
          for (let at = 0; at < text.length; at += step.chunkSize)
            controller.enqueue(new TextEncoder().encode(text.slice(at, at + step.chunkSize)));
        };
        if (step.retryMs !== undefined) {
          this.#retryMs = step.retryMs;
          send(`retry: ${step.retryMs}\n\n`);
        }
        const primingId = this.#world.isInclusive ? `${from}` : `${from - 1}:p${++this.#primed}`;
        if (step.primes) send(event({ id: `${execution}:${primingId}`, data: "" }));
        let isIdentified = step.primes || lastEventId !== null;
        const last = Math.min(this.count, from + step.quota - 1);
        for (let n = from; n <= last; n += 1) {
          isIdentified = true;
          later(this.sentAt(n), () =>
            send(event({ id: `${execution}:${n}`, data: this.#message(execution, n) })),
          );
        }
        // After the chunks before it were read: an error takes what is queued with it. A connection without any
        // cursor is left alone by design, however silent: it would wait for ever.
        const how = step.end === "stall" && !isIdentified ? "cut" : step.end;
        if (how === "stall") return;
        later(this.sentAt(Math.max(0, last)) + 1, () => {
          if (how === "half") send(event({ id: `${execution}:half`, data: "half" }).slice(0, -1));
          if (how === "clear") send(event({ id: "", data: "" }));
          timers.add(
            setTimeout(() => {
              end();
              if (how === "close" || how === "clear") controller.close();
              else controller.error(new Error("The socket was closed"));
            }, 1),
          );
        });
      },
      cancel: end,
    });
    return new Response(body, { headers: { "Content-Type": "text/event-stream" } });
  }

  #message(execution: number, n: number): unknown {
    const id = "w-1";
    const isResponse = n === this.count && !this.#world.listening;
    if (isResponse) return { jsonrpc: "2.0", id, result: { execution, n } };
    return { jsonrpc: "2.0", method: "notifications/message", params: { execution, n } };
  }
}
