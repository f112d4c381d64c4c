import { EventStoreError } from "../../log/errors.js";
import { asError, timeoutError } from "../../log/waits.js";
import { nextTurn } from "../../log/next-turn.js";
import { randomId } from "../../log/random-id.js";
import { endedError } from "../../log/validation.js";
import { APPEND, ENDED, LATE, UNEXPECTED } from "./append-script.js";
import { Batch } from "./batch.js";
import { failureOf, isPassing } from "./failure.js";
import { appendAnswer, unexpectedReply } from "./replies.js";
import type { RetentionText } from "./retention-text.js";
import type { ScriptRunner } from "./script-runner.js";
import type { PendingEvent, StreamQueue } from "./stream-queue.js";
import { StreamState } from "./stream-state.js";

/** How much goes in one call, so that the server is not held up for long, and no buffer grows large. */
const MAX_EVENTS_PER_CALL = 256;
const MAX_STREAMS_PER_CALL = 32;
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
    const behind: StreamQueue[] = [];
    const first: StreamQueue[] = [];
    for (const queue of queues) {
      if (queue.canFollow) behind.push(queue);
      else if (queue.newest === undefined) first.push(queue);
    }
    this.#sendOf(behind);
    this.#sendOf(first);
    const halves: StreamQueue[] = [];
    for (const queue of queues) {
      if (queue.canFollow) halves.push(queue);
      else queue.taken();
    }
    // Two halves in one write would be answered in one, and the server would wait while this process works, and it for
    // the server.
    if (halves.length > 0) nextTurn(() => this.#sendHalves(halves));
  }

  #sendHalves(queues: readonly StreamQueue[]): void {
    this.#sendOf(queues.filter(({ canFollow }) => canFollow));
    for (const queue of queues) queue.taken();
  }

  #sendOf(queues: readonly StreamQueue[]): void {
    const loads = new Map<string, Load>();
    for (const queue of queues) {
      const events = this.#withoutOverdue(queue, queue.take(MAX_EVENTS_PER_CALL, MAX_BYTES_PER_CALL));
      const [first] = events;
      if (first === undefined) continue;
      const { retention } = first;
      let bytes = 0;
      for (const event of events) bytes += event.bytes;
      let load = loads.get(retention.text);
      if (load !== undefined && !this.#fits(load, events.length, bytes)) {
        this.#sendFirst(load);
        load = undefined;
      }
      if (load === undefined) {
        load = { retention, batches: [], events: 0, bytes: 0 };
        loads.set(retention.text, load);
      }
      load.batches.push(new Batch(queue, first, events, bytes));
      load.events += events.length;
      load.bytes += bytes;
    }
    for (const load of loads.values()) this.#sendFirst(load);
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

  #sendFirst({ batches, retention }: Load): void {
    const call = (this.#calls += 1);
    for (const batch of batches) {
      const { bytes, events, expected, queue } = batch;
      batch.call = call;
      if (expected?.takes(bytes, retention) === true) {
        batch.next = expected.after(events.length, bytes, this.#writer, call);
      }
      queue.sent(batch);
    }
    this.#send(batches, retention, call);
  }

  /** Sends it, for the first time or again: the call is the same, and the server knows it. */
  #send(batches: readonly Batch[], retention: RetentionText, call: number): void {
    const keys: string[] = [];
    const isFollowing = batches.some(({ isFollowing }) => isFollowing);
    const args = [
      `${this.#writer} ${call} ${retention.text}`,
      this.#options.wakeMessage(),
      retention.maxEvents,
      isFollowing ? "1" : "0",
    ];
    for (const batch of batches) {
      keys.push(batch.queue.keys.state, batch.queue.keys.events);
      batch.describe(args);
    }
    this.#options.runner.run(APPEND, keys, args).then(
      (reply) => batches.forEach((batch, index) => this.#settle(batch, reply, index)),
      (error: unknown) => this.#failed(batches, retention, call, error),
    );
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
    let state: StreamState;
    try {
      const answer = appendAnswer(reply, index);
      if (answer === UNEXPECTED) {
        batch.isTurnedAway = true;
        if (batch.queue.oldest === batch) this.#sendAgain(batch);
        return;
      }
      state = this.#stateAfter(batch, answer);
    } catch (error) {
      this.#reject(batch, asError(error));
      return;
    }
    this.#store(batch, state);
  }

  /** The state that a batch has left, from the script's answer: the time, or the new state. */
  #stateAfter({ isFollowed, next, queue }: Batch, answer: string): StreamState {
    if (answer === ENDED) throw endedError(queue.name);
    if (answer === LATE) {
      // What has overtaken it is what follows it, and is stored only behind it.
      if (isFollowed && next !== undefined) return next;
      throw lateError(queue.name);
    }
    if (next !== undefined && /^\d+$/.test(answer)) return next;
    const found = StreamState.parse(answer, this.#writer);
    if (found === undefined) throw unexpectedReply([answer]);
    return found;
  }

  #store(batch: Batch, state: StreamState): void {
    const { ownHead, epoch } = state;
    if (ownHead === undefined) {
      this.#reject(batch, unexpectedReply([state.text]));
      return;
    }
    batch.queue.state = state;
    this.#done(batch, undefined);
    batch.resolve({ epoch, seq: ownHead });
  }

  #reject(batch: Batch, reason: Error): void {
    this.#done(batch, reason);
    batch.reject(reason);
  }

  #done(batch: Batch, error: Error | undefined): void {
    const { events, queue } = batch;
    this.#options.onSettled(queue.name, events, error);
    queue.done(batch);
    const { oldest } = queue;
    if (oldest?.isTurnedAway === true) this.#sendAgain(oldest);
  }

  /** What was turned away goes once more, as the first. Its answer may have been lost, and then the server says so. */
  #sendAgain(batch: Batch): void {
    const { retention, since } = batch.first;
    const { timeoutMs } = this.#options;
    if (since < performance.now() - timeoutMs) {
      this.#reject(batch, timeoutError("Redis: an append behind another one", timeoutMs, true));
      return;
    }
    this.#send([batch], retention, batch.call);
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
