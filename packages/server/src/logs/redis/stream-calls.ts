import { EventStoreError } from "../../log/errors.js";
import type { LogPage, Position, Retention } from "../../log/event-log.js";
import { AppendCalls } from "./append-calls.js";
import { RecencyList } from "../../log/recency-list.js";
import { DELETE, END } from "./change-scripts.js";
import { keysOf, type StreamKeys } from "./keys.js";
import { READ } from "./read-script.js";
import type { RemoteWakeUps } from "./remote-wake-ups.js";
import { parsePage } from "./replies.js";
import { RetentionWriter } from "./retention-text.js";
import type { Script } from "./script.js";
import type { ScriptRunner } from "./script-runner.js";
import { type QueueOwner, StreamQueue } from "./stream-queue.js";

export interface StreamCallsOptions {
  readonly prefix: string;
  /** Whether a call may touch streams of one slot alone. */
  readonly isCluster: boolean;
  readonly timeoutMs: number;
  readonly maxPendingBytes: number;
  /** Of so many streams without calls the state is remembered. */
  readonly maxOpenStreams: number;
}

/** What an event that waits takes beside its payload, in bytes. */
const PENDING_EVENT_BYTES = 500;

/** The calls on all streams, those on one stream in the order in which they were made. */
export class StreamCalls {
  readonly #runner: ScriptRunner;
  readonly #wakeUps: RemoteWakeUps;
  readonly #options: StreamCallsOptions;
  readonly #appendCalls: AppendCalls;
  readonly #retentions = new RetentionWriter();
  /** The streams with calls that are not done, and some of the others. */
  readonly #queues = new Map<string, StreamQueue>();
  readonly #idle = new RecencyList<StreamQueue>();
  #idleCount = 0;
  readonly #owner: QueueOwner;
  #pendingBytes = 0;
  #tellSettled: (() => void)[] = [];

  constructor(runner: ScriptRunner, wakeUps: RemoteWakeUps, options: StreamCallsOptions) {
    this.#runner = runner;
    this.#wakeUps = wakeUps;
    this.#options = options;
    this.#owner = {
      hasEvents: (queue) => this.#appendCalls.add(queue),
      becameIdle: (queue) => this.#setIdle(queue),
    };
    this.#appendCalls = new AppendCalls({
      runner,
      isCluster: options.isCluster,
      timeoutMs: options.timeoutMs,
      wakeMessage: () => wakeUps.ownMessage,
      onSettled: (stream, events, error) => {
        for (const event of events) this.#pendingBytes -= event.bytes + PENDING_EVENT_BYTES;
        this.#noteChange(stream, error);
      },
    });
  }

  append(stream: string, payload: string, bytes: number, retention: Retention): Promise<Position> {
    this.#admit(stream, bytes + PENDING_EVENT_BYTES);
    const written = this.#retentions.write(retention);
    return new Promise((resolve, reject) => {
      const event = { payload, bytes, retention: written, since: performance.now(), resolve, reject };
      this.#queueOf(stream).append(event);
    });
  }

  read(stream: string, after: number, limit: number): Promise<LogPage | undefined> {
    const { state, events } = this.keysOf(stream);
    const read = async () =>
      parsePage(await this.#runner.run(READ, [state, events], [String(after), String(limit)]));
    // On a stream that nobody appends to, it has nothing to wait for.
    const queue = this.#queues.get(stream);
    return queue === undefined || queue.isIdle ? read() : queue.read(read);
  }

  end(stream: string): Promise<void> {
    return this.#change(END, stream);
  }

  delete(stream: string): Promise<void> {
    return this.#change(DELETE, stream);
  }

  /** Resolves when every call is done. None hangs, since each has a limit. */
  async settled(): Promise<void> {
    while (this.#queues.size > this.#idleCount) {
      await new Promise<void>((resolve) => this.#tellSettled.push(resolve));
    }
    // Reads of streams that nobody appends to.
    await this.#runner.settled();
  }

  keysOf(stream: string): StreamKeys {
    return keysOf(this.#options.prefix, stream);
  }

  #change(script: Script, stream: string): Promise<void> {
    const queue = this.#queueOf(stream);
    return queue.change(async () => {
      const { state, events } = queue.keys;
      try {
        await this.#runner.run(script, [state, events], [this.#wakeUps.ownMessage]);
        this.#noteChange(stream, undefined);
      } catch (error) {
        this.#noteChange(stream, error);
        throw error;
      }
    });
  }

  #noteChange(stream: string, error: unknown): void {
    if (error instanceof EventStoreError && error.mayHaveHappened) this.#wakeUps.mayChange(stream);
    else this.#wakeUps.changed(stream);
  }

  #admit(stream: string, bytes: number): void {
    const { maxPendingBytes } = this.#options;
    if (this.#pendingBytes > 0 && this.#pendingBytes + bytes > maxPendingBytes) {
      throw new EventStoreError(
        "overloaded",
        `${this.#pendingBytes} bytes wait for Redis, and no more than ${maxPendingBytes} may, so that nothing was ` +
          `stored in ${JSON.stringify(stream)}. Wait for appends to be answered, or raise maxPendingBytes.`,
      );
    }
    this.#pendingBytes += bytes;
  }

  #queueOf(stream: string): StreamQueue {
    const existing = this.#queues.get(stream);
    if (existing === undefined) {
      const queue = new StreamQueue(stream, this.keysOf(stream), this.#owner);
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
}
