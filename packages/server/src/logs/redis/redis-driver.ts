// Stores streams in Redis: takes each call that the log's front has checked, and gives it to its stream's queue.

import type { CheckedEvent, LogDriver } from "../../log/checked-log.js";
import { RecencyList } from "../../log/collections.js";
import type { EventStoreError } from "../../log/errors.js";
import type { LogPage, Position, Retention } from "../../log/event-log.js";
import { PendingBytes } from "../../log/lanes.js";
import { AppendSender } from "./append-sender.js";
import type { Connection } from "./connection.js";
import { ScriptRunner } from "./script-runner.js";
import { DELETE, END, parsePage, READ, type Script } from "./scripts.js";
import { StreamQueue, type StreamQueueOptions } from "./stream-queue.js";
import { keysOf, RetentionWriter } from "./stream-state.js";
import { RedisWakeUps } from "./wake-up-feed.js";

/** The options of the log, all of them given. */
export interface RedisDriverOptions {
  readonly prefix: string;
  readonly timeoutMs: number;
  readonly maxOpenStreams: number;
  readonly heartbeatMs: number;
  readonly maxPendingBytes: number;
  readonly onError: (error: EventStoreError) => void;
}

/**
 * The log on one connection. An append goes one way: this driver, the queue of its stream, the sender that makes one
 * script call of the batches of many queues, the runner, the connection; and the answer comes back the same way.
 */
export class RedisDriver implements LogDriver {
  readonly #connection: Connection;
  readonly #options: RedisDriverOptions;
  readonly #runner: ScriptRunner;
  readonly #wakeUps: RedisWakeUps;
  readonly #pending: PendingBytes;
  readonly #retentions = new RetentionWriter();
  readonly #queueOptions: StreamQueueOptions;
  /** The streams with calls that are not done, and some of the others. */
  readonly #queues = new Map<string, StreamQueue>();
  readonly #idle = new RecencyList<StreamQueue>();
  #idleCount = 0;
  #tellSettled: (() => void)[] = [];
  #isReleased = false;

  constructor(connection: Connection, options: RedisDriverOptions) {
    const { timeoutMs, heartbeatMs, maxPendingBytes, onError } = options;
    this.#connection = connection;
    this.#options = options;
    this.#runner = new ScriptRunner(connection, timeoutMs);
    const wakeUps = new RedisWakeUps({ connection, timeoutMs, heartbeatMs, onError });
    this.#wakeUps = wakeUps;
    const pending = new PendingBytes("Redis", maxPendingBytes);
    this.#pending = pending;
    this.#queueOptions = {
      sender: new AppendSender({
        runner: this.#runner,
        isCluster: connection.isCluster,
        wakeMessage: () => wakeUps.ownMessage,
      }),
      timeoutMs,
      onSettled: (stream, events, error) => {
        for (const { bytes } of events) pending.release(bytes);
        wakeUps.changed(stream, error);
      },
      onIdle: (queue) => this.#setIdle(queue),
    };
  }

  append(stream: string, event: CheckedEvent, retention: Retention): Promise<Position> {
    this.#pending.admit(stream, event.bytes);
    return this.#queueOf(stream).append(event, this.#retentions.write(retention));
  }

  read(stream: string, after: number, limit: number): Promise<LogPage | undefined> {
    const { state, events } = keysOf(this.#options.prefix, stream);
    const read = async () =>
      parsePage(await this.#runner.run(READ, [state, events], [String(after), String(limit)]));
    // On a stream that nobody appends to, it has nothing to wait for.
    const queue = this.#queues.get(stream);
    return queue === undefined || queue.isIdle ? read() : queue.read(read);
  }

  subscribe(stream: string, wake: () => void): () => void {
    return this.#wakeUps.subscribe(stream, keysOf(this.#options.prefix, stream).state, wake);
  }

  end(stream: string): Promise<void> {
    return this.#change(END, stream);
  }

  delete(stream: string): Promise<void> {
    return this.#change(DELETE, stream);
  }

  /** What was asked for before is still done, each within its time. */
  async close(): Promise<void> {
    await this.#wakeUps.close();
    await this.#settled();
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#connection.release();
  }

  #change(script: Script, stream: string): Promise<void> {
    const queue = this.#queueOf(stream);
    return queue.change(async () => {
      const { state, events } = queue.keys;
      try {
        await this.#runner.run(script, [state, events], [this.#wakeUps.ownMessage]);
        this.#wakeUps.changed(stream, undefined);
      } catch (error) {
        this.#wakeUps.changed(stream, error);
        throw error;
      }
    });
  }

  #queueOf(stream: string): StreamQueue {
    const existing = this.#queues.get(stream);
    if (existing === undefined) {
      const queue = new StreamQueue(stream, keysOf(this.#options.prefix, stream), this.#queueOptions);
      this.#queues.set(stream, queue);
      return queue;
    }
    if (existing.isIdle) {
      this.#idle.remove(existing.place);
      this.#idleCount -= 1;
    }
    return existing;
  }

  #setIdle(queue: StreamQueue): void {
    this.#idle.use(queue.place);
    this.#idleCount += 1;
    const { oldest } = this.#idle;
    if (this.#idleCount > this.#options.maxOpenStreams && oldest !== undefined) {
      this.#idle.remove(oldest.place);
      this.#idleCount -= 1;
      this.#queues.delete(oldest.name);
    }
    if (this.#queues.size === this.#idleCount) for (const tell of this.#tellSettled.splice(0)) tell();
  }

  /** Resolves when every call is done. None hangs, since each has a limit. */
  async #settled(): Promise<void> {
    while (this.#queues.size > this.#idleCount) {
      await new Promise<void>((resolve) => this.#tellSettled.push(resolve));
    }
    // Reads of streams that nobody appends to.
    await this.#runner.settled();
  }
}
