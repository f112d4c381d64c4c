// Tells other processes by NOTIFY which streams have changed, and learns by LISTEN what they have changed.
import { EventStoreError, timeoutError } from "../../log/errors.js";
import { within } from "../../log/waits.js";
import type { PostgresPoolClient } from "./pool.js";
import { Pause } from "./pause.js";
import type { StatementRunner } from "./runner.js";

/** Postgres limits a notification to less than 8000 bytes. */
const TOPICS_PER_NOTIFICATION = 500;

const NOTIFY = {
  operation: "a wake-up",
  text: "SELECT pg_notify($1::text, $2::text)",
  isWrite: false,
} as const;

/** How long the listener pauses between two attempts to connect. */
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 5000;

/** The topic of a stream's notifications: short, since many go in one. Two streams of one topic wake each other. */
export function topicOf(stream: string): string {
  // FNV-1a, 32 bits.
  let hash = 0x811c9dc5;
  for (let index = 0; index < stream.length; index += 1) {
    hash = Math.imul(hash ^ stream.charCodeAt(index), 0x01000193);
  }
  return (hash >>> 0).toString(36);
}

/** The channel of a schema's notifications: a database has one space of channels, and names of at most 63 bytes. */
export function channelOf(schema: string): string {
  return `resumable_mcp_${topicOf(schema)}`;
}

/**
 * Tells the other processes which streams have changed. It uses a statement of its own, since transactions that notify
 * wait for each other. One statement runs at a time; what changes meanwhile goes together in the next.
 */
export class Notifier {
  readonly #runner: StatementRunner;
  readonly #channel: string;
  #topics = new Set<string>();
  #running: Promise<void> | undefined;

  constructor(runner: StatementRunner, channel: string) {
    this.#runner = runner;
    this.#channel = channel;
  }

  changed(stream: string): void {
    this.#topics.add(topicOf(stream));
    this.#running ??= this.#run();
  }

  /** Resolves when everybody was told. */
  async settled(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    try {
      // What changes in the same tick goes together.
      await Promise.resolve();
      while (this.#topics.size > 0) {
        const topics = [...this.#topics].slice(0, TOPICS_PER_NOTIFICATION);
        for (const topic of topics) this.#topics.delete(topic);
        await this.#runner.run(NOTIFY, [this.#channel, topics.join(" ")]);
      }
    } catch {
      // A wake-up is only a hint: every process also polls from time to time.
      this.#topics.clear();
    } finally {
      this.#running = undefined;
    }
  }
}

export interface ListenerOptions {
  readonly connect: () => Promise<PostgresPoolClient>;
  readonly channel: string;
  readonly timeoutMs: number;
  /** How often a silent connection is tested, in milliseconds. */
  readonly heartbeatMs: number;
  readonly onTopics: (topics: readonly string[]) => void;
  /** It has begun to listen, for the first time or again; notifications before this may have been missed. */
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
        await new Pause(pauseMs * (0.5 + Math.random() / 2), signal).ended;
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
    let pause: Pause | undefined;
    const onLost = (reason: unknown) => {
      lost ??= { reason };
      pause?.end();
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
        pause = new Pause(heartbeatMs, signal);
        if (lost !== undefined) pause.end();
        await pause.ended;
        if (signal.aborted) return;
        failIfLost(lost);
        await step(client.query("SELECT 1"));
      }
    } finally {
      // Closed instead of given back, since nobody else wants a connection that listens.
      client.release(true);
    }
  }

  async #connect(step: <T>(work: Promise<T>) => Promise<T>): Promise<PostgresPoolClient> {
    const connecting = this.#options.connect();
    try {
      return await step(connecting);
    } catch (error) {
      // The connection may still be made, later; then it goes back to the pool.
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
