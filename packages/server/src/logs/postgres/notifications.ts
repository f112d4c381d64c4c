import { EventStoreError } from "../../log/errors.js";
import { timeoutError, within } from "../../log/waits.js";
import type { PostgresPoolClient } from "./pool.js";
import { type Alarm, alarm } from "./alarm.js";

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 5000;

export interface ListenerOptions {
  readonly connect: () => Promise<PostgresPoolClient>;
  readonly channel: string;
  readonly timeoutMs: number;
  /** How often a silent connection is looked at. */
  readonly heartbeatMs: number;
  readonly onTopics: (topics: readonly string[]) => void;
  /** It listens from now on, or again: what was notified before may have been missed. */
  readonly onListening: () => void;
  readonly onError: (error: EventStoreError) => void;
}

/** Listens on one connection of the pool, and on another one when it breaks, until it is stopped. */
export class Listener {
  readonly #options: ListenerOptions;
  readonly #closing = new AbortController();
  readonly #running: Promise<void>;

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    let pauseMs = FIRST_PAUSE_MS;
    while (!signal.aborted) {
      try {
        await this.#listen(() => {
          pauseMs = FIRST_PAUSE_MS;
        });
      } catch (error) {
        this.#options.onError(listenError(error));
        const pause = alarm(signal);
        pause.ringAfter(pauseMs * (0.5 + Math.random() / 2));
        await pause.rung;
        pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
      }
    }
  }

  /** Returns when it is stopped. */
  async #listen(onReady: () => void): Promise<void> {
    const { channel, timeoutMs, heartbeatMs, onTopics, onListening } = this.#options;
    const { signal } = this.#closing;
    const step = <T>(work: Promise<T>) =>
      within(work, timeoutMs, () => timeoutError("Postgres: LISTEN", timeoutMs));
    const client = await this.#connect(step);
    let lost: { readonly reason: unknown } | undefined;
    let bell: Alarm | undefined;
    const onLost = (reason: unknown) => {
      lost ??= { reason };
      bell?.ring();
    };
    try {
      client.on("error", onLost);
      client.on("end", () => onLost(new Error("The connection was closed.")));
      client.on("notification", (message) => {
        if (message.channel === channel) onTopics((message.payload ?? "").split(" "));
      });
      await step(client.query(`LISTEN ${channel}`));
      onReady();
      onListening();
      for (;;) {
        const rest = alarm(signal);
        bell = rest;
        rest.ringAfter(heartbeatMs);
        if (lost !== undefined) rest.ring();
        await rest.rung;
        if (signal.aborted) return;
        failIfLost(lost);
        await step(client.query("SELECT 1"));
      }
    } finally {
      // Closed, and not given back: nobody else wants a connection that listens.
      client.release(true);
    }
  }

  async #connect(step: <T>(work: Promise<T>) => Promise<T>): Promise<PostgresPoolClient> {
    const connecting = this.#options.connect();
    try {
      return await step(connecting);
    } catch (error) {
      // It may come all the same, later.
      connecting.then(
        (client) => client.release(),
        () => undefined,
      );
      throw error;
    }
  }
}

function failIfLost(lost: { readonly reason: unknown } | undefined): void {
  if (lost !== undefined) throw lost.reason;
}

function listenError(error: unknown): EventStoreError {
  if (error instanceof EventStoreError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new EventStoreError("backend", `The connection to Postgres for wake-ups is lost: ${reason}`, {
    cause: error,
  });
}
