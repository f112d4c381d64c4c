// Sends batches of events to the append script, those of different streams in one call, and reads its answers.

import { asError, endedError, EventStoreError } from "../../log/errors.js";
import type { Position } from "../../log/event-log.js";
import { randomId } from "../../log/text.js";
import { nextTurn } from "../../log/waits.js";
import { APPEND, ENDED, LATE, UNEXPECTED } from "./append-script.js";
import type { Batch } from "./append-batch.js";
import { failureOf, isPassing } from "./failure.js";
import type { ScriptRunner } from "./script-runner.js";
import { unexpectedReply } from "./scripts.js";
import { type RetentionText, StreamState } from "./stream-state.js";

/** How much goes in one call, so that the server is not held up for long, and no buffer grows large. */
export const MAX_EVENTS_PER_CALL = 256;
export const MAX_BYTES_PER_CALL = 1024 * 1024;
const MAX_STREAMS_PER_CALL = 32;

/** What has become of a batch that has not failed. */
export type Outcome =
  | {
      readonly kind: "stored";
      /** The state of the stream, as the batch has left it. */
      readonly state: StreamState;
      /** The position of the last event. */
      readonly last: Position;
    }
  /** The batch before it was not stored as expected, so this one was not stored either. */
  | { readonly kind: "turned-away" };

/** A batch, and who waits for what becomes of it. */
interface Sending {
  readonly batch: Batch;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: Error) => void;
}

/** Batches of different streams, of one retention, that go together. */
interface Call {
  readonly number: number;
  readonly retention: RetentionText;
  readonly sendings: Sending[];
  events: number;
  bytes: number;
}

export interface AppendSenderOptions {
  readonly runner: ScriptRunner;
  /** Whether a call may touch streams of one slot alone. */
  readonly isCluster: boolean;
  /** The message that is published with each append. */
  readonly wakeMessage: () => string;
}

/** Sends what comes in one tick in one call, where the server takes keys of different slots in one. */
export class AppendSender {
  readonly #runner: ScriptRunner;
  readonly #wakeMessage: () => string;
  /** Unique among all who ever append. */
  readonly #writer = randomId();
  #calls = 0;
  #maxStreams: number;
  /** The calls of this tick, by what the batches of one call have in common. */
  readonly #open = new Map<string, Call>();
  #nextTurn: (() => void)[] = [];

  constructor({ runner, isCluster, wakeMessage }: AppendSenderOptions) {
    this.#runner = runner;
    this.#wakeMessage = wakeMessage;
    this.#maxStreams = isCluster ? 1 : MAX_STREAMS_PER_CALL;
  }

  /**
   * Sends a batch at the end of the tick. The numbers of a stream's calls must rise, so its next batch is not to be
   * given before then.
   *
   * @throws {EventStoreError} `ended`, `backend`, `timeout`
   */
  send(batch: Batch): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      const call = this.#callFor(batch);
      call.sendings.push({ batch, resolve, reject });
      call.events += batch.events.length;
      call.bytes += batch.bytes;
      batch.joinCall(this.#writer, call.number);
    });
  }

  /** Sends a batch that was turned away once more, alone, with the number of its first call. */
  sendAgain(batch: Batch): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      this.#run(batch.call, batch.retention, [{ batch, resolve, reject }]);
    });
  }

  /** Calls back in the next turn of the event loop, with all who ask in this one: what they send goes together. */
  inNextTurn(callback: () => void): void {
    this.#nextTurn.push(callback);
    if (this.#nextTurn.length > 1) return;
    nextTurn(() => {
      for (const each of this.#nextTurn.splice(0)) each();
    });
  }

  #callFor(batch: Batch): Call {
    const { order, retention } = batch;
    const common = `${order} ${retention.text}`;
    const open = this.#open.get(common);
    if (open !== undefined && this.#fits(open, batch)) return open;
    if (open !== undefined) this.#run(open.number, retention, open.sendings);
    else if (this.#open.size === 0) queueMicrotask(() => this.#runOpen());
    const call: Call = { number: (this.#calls += 1), retention, sendings: [], events: 0, bytes: 0 };
    this.#open.set(common, call);
    return call;
  }

  #fits({ sendings, events, bytes }: Call, batch: Batch): boolean {
    return (
      sendings.length < this.#maxStreams &&
      events + batch.events.length <= MAX_EVENTS_PER_CALL &&
      bytes + batch.bytes <= MAX_BYTES_PER_CALL
    );
  }

  #runOpen(): void {
    const calls = [...this.#open.values()];
    this.#open.clear();
    for (const { number, retention, sendings } of calls) this.#run(number, retention, sendings);
  }

  #run(call: number, retention: RetentionText, sendings: readonly Sending[]): void {
    const keys: string[] = [];
    const isBehind = sendings.some(({ batch }) => batch.order === "behind");
    const args = [
      `${this.#writer} ${call} ${retention.text}`,
      this.#wakeMessage(),
      retention.maxEvents,
      isBehind ? "1" : "0",
    ];
    for (const { batch } of sendings) {
      keys.push(batch.keys.state, batch.keys.events);
      batch.describe(args);
    }
    this.#runner.run(APPEND, keys, args).then(
      (reply) => sendings.forEach((sending, index) => this.#answer(sending, reply[1 + index], reply)),
      (error: unknown) => this.#failed(call, retention, sendings, error),
    );
  }

  /** One stream may have failed them all, or this is a cluster in disguise: each alone, then. Those stored say so. */
  #failed(call: number, retention: RetentionText, sendings: readonly Sending[], error: unknown): void {
    const failure = error instanceof EventStoreError ? failureOf(error.cause) : undefined;
    if (sendings.length > 1 && failure?.kind === "refused" && !isPassing(failure)) {
      if (failure.code === "CROSSSLOT") this.#maxStreams = 1;
      for (const sending of sendings) this.#run(call, retention, [sending]);
      return;
    }
    const reason = asError(error);
    for (const { reject } of sendings) reject(reason);
  }

  #answer({ batch, resolve, reject }: Sending, answer: unknown, reply: readonly unknown[]): void {
    try {
      resolve(this.#outcomeOf(batch, answer, reply));
    } catch (error) {
      reject(asError(error));
    }
  }

  /** The script answers with a word of its own, with the time, or with the stream's new state. */
  #outcomeOf(batch: Batch, answer: unknown, reply: readonly unknown[]): Outcome {
    if (typeof answer !== "string") throw unexpectedReply(reply);
    if (answer === UNEXPECTED) return { kind: "turned-away" };
    const state = this.#stateAfter(batch, answer);
    if (state?.ownHead === undefined) throw unexpectedReply([answer]);
    return { kind: "stored", state, last: { epoch: state.epoch, seq: state.ownHead } };
  }

  #stateAfter({ isFollowed, next, stream }: Batch, answer: string): StreamState | undefined {
    if (answer === ENDED) throw endedError(stream);
    if (answer === LATE) {
      // What has overtaken it is what follows it, and is stored only behind it.
      if (isFollowed && next !== undefined) return next;
      throw lateError(stream);
    }
    if (next !== undefined && /^\d+$/.test(answer)) return next;
    return StreamState.parse(answer, this.#writer);
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
