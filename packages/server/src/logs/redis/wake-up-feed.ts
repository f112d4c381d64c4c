// Wakes those who follow a stream, by what this log does and by what others publish, over a connection of its own.

import { asError, EventStoreError, timeoutError } from "../../log/errors.js";
import { randomId } from "../../log/text.js";
import { isAborted, within } from "../../log/waits.js";
import { WakeUps } from "../../log/wake-ups.js";
import type { Connection, Subscriber } from "./connection.js";

export interface RedisWakeUpsOptions {
  readonly connection: Connection;
  /** How long one operation of the connection may take, in milliseconds. */
  readonly timeoutMs: number;
  /** After so long without anything to do, the connection is looked at, in milliseconds. */
  readonly heartbeatMs: number;
  /** The connection broke or could not be made; it is tried again. Must not throw. */
  readonly onError: (error: EventStoreError) => void;
}

/** The subscribers of streams, woken by what this log does and by what all others do. */
export class RedisWakeUps {
  readonly #local = new WakeUps();
  readonly #feed: WakeUpFeed;
  readonly #keyPrefix: string;
  /** The streams that are followed, by channel. */
  readonly #streams = new Map<string, string>();
  #ownMessage = randomId();

  constructor(options: RedisWakeUpsOptions) {
    this.#keyPrefix = options.connection.keyPrefix;
    this.#feed = new WakeUpFeed({
      ...options,
      onMessage: (channel, message) => {
        if (message !== this.#ownMessage) this.#wakeChannel(channel);
      },
      onMissed: (channels) => {
        for (const channel of channels) this.#wakeChannel(channel);
      },
    });
  }

  /**
   * What this log publishes with its changes. Its subscribers are woken when the change is answered, or has failed, so
   * that they need not be woken by the message as well.
   */
  get ownMessage(): string {
    return this.#ownMessage;
  }

  /** @param stateKey the name of the stream's channel is the key of its state, as the server sees it. */
  subscribe(stream: string, stateKey: string, wake: () => void): () => void {
    const channel = this.#keyPrefix + stateKey;
    if (!this.#local.has(stream)) {
      this.#streams.set(channel, stream);
      this.#feed.follow(channel);
    }
    const unsubscribe = this.#local.subscribe(stream, wake);
    return () => {
      unsubscribe();
      if (this.#local.has(stream) || !this.#streams.delete(channel)) return;
      this.#feed.unfollow(channel);
    };
  }

  /** A change of this log is done, or has failed. */
  changed(stream: string, error: unknown): void {
    // It may still take effect: then its message must be heeded.
    if (error instanceof EventStoreError && error.mayHaveHappened) this.#ownMessage = randomId();
    this.#local.wake(stream);
  }

  async close(): Promise<void> {
    this.#local.close();
    this.#streams.clear();
    await this.#feed.close();
  }

  #wakeChannel(channel: string): void {
    const stream = this.#streams.get(channel);
    if (stream !== undefined) this.#local.wake(stream);
  }
}

interface WakeUpFeedOptions extends RedisWakeUpsOptions {
  readonly onMessage: (channel: string, message: string) => void;
  /** Something may have been published on these channels that did not arrive. */
  readonly onMissed: (channels: Iterable<string>) => void;
}

/** Waits between attempts to connect grow from the first to the last of these, in milliseconds. */
const FIRST_WAIT_MS = 50;
const LONGEST_WAIT_MS = 5000;
/** How many channels one command names. */
const MAX_CHANNELS_PER_COMMAND = 500;

/**
 * The channels that are listened to, over one connection beside the client's own, whatever their number. It is made
 * when the first channel is wanted, and ends some time after the last one. When it breaks, another one is made, and
 * all are told to look for themselves; as long as none can be made, they are told so at each attempt.
 */
class WakeUpFeed {
  readonly #options: WakeUpFeedOptions;
  readonly #wanted = new Set<string>();
  /** Channels that came or went since the connection was last told. */
  #changed = new Set<string>();
  /** Aborted when a channel comes or goes, for who waits for that. */
  #change = new AbortController();
  readonly #closing = new AbortController();
  #running: Promise<void> | undefined;

  constructor(options: WakeUpFeedOptions) {
    this.#options = options;
  }

  /** Messages are sure to arrive only after `onMissed` was called for the channel. */
  follow(channel: string): void {
    this.#wanted.add(channel);
    this.#noteChange(channel);
    if (!this.#closing.signal.aborted) this.#running ??= this.#run();
  }

  unfollow(channel: string): void {
    this.#wanted.delete(channel);
    this.#noteChange(channel);
  }

  /** Ends the connection. */
  async close(): Promise<void> {
    this.#closing.abort(new Error("The log was closed."));
    await this.#running;
  }

  #noteChange(channel: string): void {
    this.#changed.add(channel);
    this.#change.abort();
  }

  async #run(): Promise<void> {
    const { onError, onMissed } = this.#options;
    const { signal } = this.#closing;
    let waitMs = FIRST_WAIT_MS;
    const resetWait = () => {
      waitMs = FIRST_WAIT_MS;
    };
    while (!signal.aborted && this.#wanted.size > 0) {
      try {
        await this.#listen(resetWait);
      } catch (error) {
        if (isAborted(signal)) break;
        onError(feedError(error));
        await pause(waitMs * (0.5 + Math.random() / 2), signal);
        waitMs = Math.min(2 * waitMs, LONGEST_WAIT_MS);
        // Not before the wait: the server is hardly back at once.
        onMissed([...this.#wanted]);
      }
    }
    this.#running = undefined;
  }

  /** Opens a connection and keeps it in step with what is wanted, until it breaks or nothing is wanted any more. */
  async #listen(onReady: () => void): Promise<void> {
    const { timeoutMs, heartbeatMs, onMissed } = this.#options;
    const lost = new AbortController();
    const signal = AbortSignal.any([lost.signal, this.#closing.signal]);
    const step = <T>(work: Promise<T>) =>
      within(orAborted(work, signal), timeoutMs, () => lateError(timeoutMs));
    const subscriber = await this.#open(lost, step);
    const followed = new Set<string>();
    try {
      this.#changed = new Set(this.#wanted);
      for (;;) {
        const changed = [...this.#changed];
        this.#changed.clear();
        const gone = changed.filter((channel) => followed.has(channel) && !this.#wanted.has(channel));
        for (const channels of portions(gone)) {
          await step(subscriber.unsubscribe(channels));
          for (const channel of channels) followed.delete(channel);
        }
        const added = changed.filter((channel) => !followed.has(channel) && this.#wanted.has(channel));
        for (const channels of portions(added)) {
          await step(subscriber.subscribe(channels));
          for (const channel of channels) followed.add(channel);
          onMissed(channels);
        }
        onReady();
        if (await this.#changesWithin(heartbeatMs, signal)) continue;
        if (this.#wanted.size === 0) return;
        await step(subscriber.ping());
      }
    } finally {
      subscriber.close();
    }
  }

  /**
   * Whether there are channels that came or went, now or after a wait of at most so many milliseconds.
   *
   * @throws the signal's reason when it aborts.
   */
  async #changesWithin(ms: number, signal: AbortSignal): Promise<boolean> {
    if (this.#changed.size === 0) {
      this.#change = new AbortController();
      await pause(ms, signal, this.#change.signal);
      signal.throwIfAborted();
    }
    return this.#changed.size > 0;
  }

  async #open(lost: AbortController, step: <T>(work: Promise<T>) => Promise<T>): Promise<Subscriber> {
    const { connection, onMessage } = this.#options;
    const givenUp = new AbortController();
    const onLost = (reason: unknown) => lost.abort(reason ?? new Error("The connection was closed."));
    const opening = connection.openSubscriber({ onMessage, onLost }, givenUp.signal);
    try {
      return await step(opening);
    } catch (error) {
      givenUp.abort(error);
      // It may open all the same, at the last moment.
      opening.then(
        (subscriber) => subscriber.close(),
        () => undefined,
      );
      throw error;
    }
  }
}

/** Resolves after so many milliseconds, or as soon as one of the signals aborts. */
function pause(ms: number, ...signals: readonly AbortSignal[]): Promise<void> {
  return new Promise<void>((resolve) => {
    const end = () => {
      clearTimeout(timer);
      for (const signal of signals) signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    for (const signal of signals) signal.addEventListener("abort", end);
    if (signals.some(isAborted)) end();
  });
}

/** Settles as the work does, or rejects with the signal's reason when that aborts first. */
function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const abort = () => reject(asError(signal.reason));
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort);
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

function* portions(channels: readonly string[]): Generator<readonly string[]> {
  for (let start = 0; start < channels.length; start += MAX_CHANNELS_PER_COMMAND) {
    yield channels.slice(start, start + MAX_CHANNELS_PER_COMMAND);
  }
}

function lateError(limitMs: number): EventStoreError {
  return timeoutError("Redis: a step of the connection for wake-ups", limitMs);
}

function feedError(error: unknown): EventStoreError {
  if (error instanceof EventStoreError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new EventStoreError("backend", `The connection to Redis for wake-ups is lost: ${reason}`, {
    cause: error,
  });
}
