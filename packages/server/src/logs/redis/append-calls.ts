import { EventStoreError } from "../../errors.js";
import { timeoutError } from "../../waits.js";
import { randomId } from "../random-id.js";
import { endedError } from "../validation.js";
import { APPEND } from "./append-script.js";
import { failureOf, isPassing } from "./failure.js";
import { parseAppended } from "./replies.js";
import type { ScriptRunner } from "./script-runner.js";
import type { Batch, PendingEvent, StreamQueue } from "./stream-queue.js";

/** How much goes in one call, so that the server is not held up for long, and no buffer grows large. */
const MAX_EVENTS_PER_CALL = 256;
const MAX_STREAMS_PER_CALL = 64;
const MAX_BYTES_PER_CALL = 1024 * 1024;

/** A call under construction: batches of different streams, all of one retention. */
interface CallPlan {
  readonly batches: Batch[];
  events: number;
  bytes: number;
}

export interface AppendCallsOptions {
  readonly runner: ScriptRunner;
  /** Whether a call may touch streams of one slot alone. */
  readonly isCluster: boolean;
  /** An event that has waited for longer fails without an attempt, in milliseconds. */
  readonly timeoutMs: number;
  /** The message that is published with each append. */
  readonly wakeMessage: () => string;
  /** Events are done with: stored, without an error. */
  readonly onSettled: (stream: string, events: readonly PendingEvent[], error: Error | undefined) => void;
}

/**
 * Takes events from the streams' queues to the server: what comes in one tick goes in one call, where the server takes
 * keys of different slots in one.
 */
export class AppendCalls {
  readonly #options: AppendCallsOptions;
  /** Unique among all who ever append. */
  readonly #writer = `w:${randomId()}`;
  #calls = 0;
  #maxStreams: number;
  #waiting: StreamQueue[] = [];

  constructor(options: AppendCallsOptions) {
    this.#options = options;
    this.#maxStreams = options.isCluster ? 1 : MAX_STREAMS_PER_CALL;
  }

  /** The queue's events are taken at the end of the tick. */
  add(queue: StreamQueue): void {
    this.#waiting.push(queue);
    if (this.#waiting.length === 1) queueMicrotask(() => this.#sendWaiting());
  }

  #sendWaiting(): void {
    const queues = this.#waiting;
    this.#waiting = [];
    const plans = new Map<string, CallPlan>();
    for (const queue of queues) {
      const batch = this.#withoutOverdue(queue.take(MAX_EVENTS_PER_CALL, MAX_BYTES_PER_CALL));
      const [first] = batch.events;
      if (first === undefined) {
        queue.done();
        continue;
      }
      const bytes = batch.events.reduce((sum, event) => sum + event.bytes, 0);
      let plan = plans.get(first.retention.text);
      if (
        plan !== undefined &&
        (plan.batches.length >= this.#maxStreams ||
          plan.events + batch.events.length > MAX_EVENTS_PER_CALL ||
          plan.bytes + bytes > MAX_BYTES_PER_CALL)
      ) {
        void this.#send(plan.batches);
        plan = undefined;
      }
      if (plan === undefined) {
        plan = { batches: [], events: 0, bytes: 0 };
        plans.set(first.retention.text, plan);
      }
      plan.batches.push(batch);
      plan.events += batch.events.length;
      plan.bytes += bytes;
    }
    for (const plan of plans.values()) void this.#send(plan.batches);
  }

  /** What has waited behind a failing call for all of its time fails too, without an attempt. */
  #withoutOverdue(batch: Batch): Batch {
    const { timeoutMs, onSettled } = this.#options;
    const oldest = performance.now() - timeoutMs;
    const overdue = batch.events.filter(({ since }) => since < oldest);
    if (overdue.length === 0) return batch;
    const error = timeoutError("Redis: an append that waited for others", timeoutMs);
    onSettled(batch.queue.name, overdue, error);
    for (const event of overdue) event.reject(error);
    return { queue: batch.queue, events: batch.events.filter(({ since }) => since >= oldest) };
  }

  async #send(batches: readonly Batch[], call = (this.#calls += 1)): Promise<void> {
    const retention = batches[0]?.events[0]?.retention;
    if (retention === undefined) return;
    const keys: string[] = [];
    const args = [
      this.#writer,
      String(call),
      this.#options.wakeMessage(),
      retention.text,
      retention.maxEvents,
      retention.maxBytes,
    ];
    for (const { queue, events } of batches) {
      keys.push(queue.keys.state, queue.keys.events);
      args.push(String(events.length));
      for (const { payload } of events) args.push(payload);
    }
    let reply: unknown;
    try {
      reply = await this.#options.runner.run(APPEND, keys, args);
    } catch (error) {
      this.#failed(batches, call, error);
      return;
    }
    batches.forEach((batch, index) => this.#settle(batch, reply, index));
  }

  /** One stream may have failed them all, or this is a cluster in disguise: each alone, then. Those stored say so. */
  #failed(batches: readonly Batch[], call: number, error: unknown): void {
    const failure = error instanceof EventStoreError ? failureOf(error.cause) : undefined;
    if (batches.length > 1 && failure?.kind === "refused" && !isPassing(failure)) {
      if (failure.code === "CROSSSLOT") this.#maxStreams = 1;
      for (const batch of batches) void this.#send([batch], call);
      return;
    }
    for (const batch of batches) this.#reject(batch, error);
  }

  #settle(batch: Batch, reply: unknown, index: number): void {
    try {
      const appended = parseAppended(reply, index);
      if (appended.kind === "ended") throw endedError(batch.queue.name);
      if (appended.kind === "late") throw lateError(batch.queue.name);
      const { epoch, seq } = appended.last;
      this.#finish(batch, undefined);
      const before = seq - batch.events.length;
      batch.events.forEach((event, number) => event.resolve({ epoch, seq: before + 1 + number }));
    } catch (error) {
      this.#reject(batch, error);
    }
  }

  #reject(batch: Batch, error: unknown): void {
    const reason = error instanceof Error ? error : new Error(String(error));
    this.#finish(batch, reason);
    for (const event of batch.events) event.reject(reason);
  }

  #finish({ queue, events }: Batch, error: Error | undefined): void {
    this.#options.onSettled(queue.name, events, error);
    queue.done();
  }
}

/** Only a call that was given up can be overtaken, and nobody waits for its answer. */
function lateError(stream: string): EventStoreError {
  return new EventStoreError(
    "backend",
    `A later append to ${JSON.stringify(stream)} was stored before this one.`,
    { mayHaveHappened: true },
  );
}
