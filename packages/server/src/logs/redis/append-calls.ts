import { EventStoreError } from "../../errors.js";
import type { Position } from "../../event-log.js";
import { timeoutError } from "../../waits.js";
import { randomId } from "../random-id.js";
import { endedError } from "../validation.js";
import { APPEND, ENDED, LATE } from "./append-script.js";
import { asError } from "./as-error.js";
import { failureOf, isPassing } from "./failure.js";
import { appendAnswer, unexpectedReply } from "./replies.js";
import type { RetentionText } from "./retention-text.js";
import type { ScriptRunner } from "./script-runner.js";
import type { PendingEvent, StreamQueue } from "./stream-queue.js";
import { StreamState } from "./stream-state.js";

/** How much goes in one call, so that the server is not held up for long, and no buffer grows large. */
const MAX_EVENTS_PER_CALL = 256;
const MAX_STREAMS_PER_CALL = 64;
const MAX_BYTES_PER_CALL = 1024 * 1024;

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

/** Events of one stream that go to the server together, in this order, all or none. */
interface Batch {
  readonly queue: StreamQueue;
  readonly events: readonly PendingEvent[];
  readonly bytes: number;
  /** The state that they lead to from the one that is known, if any is, but for the time. */
  next: string;
}

/** Batches of different streams, of one retention, that go in one call. */
interface Load {
  readonly retention: RetentionText;
  readonly batches: Batch[];
  events: number;
  bytes: number;
}

/**
 * Takes events from the streams' queues to the server: what comes in one tick goes in one call, where the server takes
 * keys of different slots in one.
 */
export class AppendCalls {
  readonly #options: AppendCallsOptions;
  /** Unique among all who ever append. */
  readonly #writer = randomId();
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
    const loads = new Map<string, Load>();
    for (const queue of queues) {
      const events = this.#withoutOverdue(queue, queue.take(MAX_EVENTS_PER_CALL, MAX_BYTES_PER_CALL));
      const [first] = events;
      if (first === undefined) {
        queue.done();
        continue;
      }
      const { retention } = first;
      let bytes = 0;
      for (const event of events) bytes += event.bytes;
      let load = loads.get(retention.text);
      if (load !== undefined && !this.#fits(load, events.length, bytes)) {
        this.#send(load.batches, retention);
        load = undefined;
      }
      if (load === undefined) {
        load = { retention, batches: [], events: 0, bytes: 0 };
        loads.set(retention.text, load);
      }
      load.batches.push({ queue, events, bytes, next: "" });
      load.events += events.length;
      load.bytes += bytes;
    }
    for (const { batches, retention } of loads.values()) this.#send(batches, retention);
  }

  #fits(load: Load, events: number, bytes: number): boolean {
    return (
      load.batches.length < this.#maxStreams &&
      load.events + events <= MAX_EVENTS_PER_CALL &&
      load.bytes + bytes <= MAX_BYTES_PER_CALL
    );
  }

  /** What has waited behind a failing call for all of its time fails too, without an attempt. */
  #withoutOverdue(queue: StreamQueue, events: readonly PendingEvent[]): readonly PendingEvent[] {
    const { timeoutMs, onSettled } = this.#options;
    const oldest = performance.now() - timeoutMs;
    if (events.every(({ since }) => since >= oldest)) return events;
    const overdue = events.filter(({ since }) => since < oldest);
    const error = timeoutError("Redis: an append that waited for others", timeoutMs);
    onSettled(queue.name, overdue, error);
    for (const event of overdue) event.reject(error);
    return events.filter(({ since }) => since >= oldest);
  }

  #send(batches: readonly Batch[], retention: RetentionText, call = (this.#calls += 1)): void {
    const keys: string[] = [];
    const wake = this.#options.wakeMessage();
    const args = [`${this.#writer} ${call} ${retention.text}`, wake, retention.maxEvents];
    for (const batch of batches) {
      keys.push(batch.queue.keys.state, batch.queue.keys.events);
      this.#describe(batch, retention, call, args);
    }
    this.#options.runner.run(APPEND, keys, args).then(
      (reply) => batches.forEach((batch, index) => this.#settle(batch, reply, index)),
      (error: unknown) => this.#failed(batches, retention, call, error),
    );
  }

  #describe(batch: Batch, retention: RetentionText, call: number, args: string[]): void {
    const { events, bytes, queue } = batch;
    const { state } = queue;
    // Without a next one, the script works it out; the one expected still tells it whether the server has lost events.
    const isSettled = state?.takes(bytes, retention) === true;
    batch.next = isSettled ? state.after(events.length, bytes, this.#writer, call) : "";
    args.push(
      String(events.length),
      state?.text ?? "",
      batch.next,
      isSettled ? state.due : "0",
      state?.nextId ?? "",
    );
    for (const { payload } of events) args.push(payload);
  }

  /** One stream may have failed them all, or this is a cluster in disguise: each alone, then. Those stored say so. */
  #failed(batches: readonly Batch[], retention: RetentionText, call: number, error: unknown): void {
    const failure = error instanceof EventStoreError ? failureOf(error.cause) : undefined;
    if (batches.length > 1 && failure?.kind === "refused" && !isPassing(failure)) {
      if (failure.code === "CROSSSLOT") this.#maxStreams = 1;
      for (const batch of batches) this.#send([batch], retention, call);
      return;
    }
    const reason = asError(error);
    for (const batch of batches) this.#reject(batch, reason);
  }

  #settle(batch: Batch, reply: readonly unknown[], index: number): void {
    const { queue, events } = batch;
    let last: Position;
    try {
      last = this.#lastOf(batch, appendAnswer(reply, index));
    } catch (error) {
      this.#reject(batch, asError(error));
      return;
    }
    this.#options.onSettled(queue.name, events, undefined);
    queue.done();
    let { seq } = last;
    seq -= events.length;
    for (const event of events) {
      seq += 1;
      event.resolve({ epoch: last.epoch, seq });
    }
  }

  /** The position of a batch's last event, from the script's answer: the time, or the new state. */
  #lastOf({ queue, events, bytes, next }: Batch, answer: string): Position {
    if (answer === ENDED) throw endedError(queue.name);
    if (answer === LATE) throw lateError(queue.name);
    const { state } = queue;
    if (state !== undefined && next !== "" && /^\d+$/.test(answer)) {
      state.advance(events.length, bytes, next, answer);
      return { epoch: state.epoch, seq: state.head };
    }
    const found = StreamState.parse(answer, this.#writer);
    if (found?.ownHead === undefined) throw unexpectedReply(answer);
    queue.state = found;
    return { epoch: found.epoch, seq: found.ownHead };
  }

  #reject({ queue, events }: Batch, reason: Error): void {
    this.#options.onSettled(queue.name, events, reason);
    queue.done();
    for (const event of events) event.reject(reason);
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
