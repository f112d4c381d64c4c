// Sends batches of events to the append script, those of different streams in one call, and reads its answers.

import { asError, endedError, EventStoreError } from "../../log/errors.js";
import { randomId } from "../../log/text.js";
import { nextTurn } from "../../log/waits.js";
import { APPEND, ENDED, LATE, UNEXPECTED } from "./append-script.js";
import type { Batch, Outcome } from "./append-batch.js";
import { failureOf, isPassing } from "./failure.js";
import type { ScriptRunner } from "./script-runner.js";
import { unexpectedReply } from "./scripts.js";
import { type RetentionText, StreamState } from "./stream-state.js";

/** How much goes in one call, so that the server is not held up for long, and no buffer grows large. */
export const MAX_EVENTS_PER_CALL = 256;
export const MAX_BYTES_PER_CALL = 1024 * 1024;
const MAX_STREAMS_PER_CALL = 32;

/** Batches of different streams, of one retention, that go together. */
interface Call {
  readonly number: number;
  readonly retention: RetentionText;
  readonly batches: Batch[];
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
  /** The calls that are being made up, by the retention of all that is in them: a call has batches of one order. */
  #open = { first: new Map<string, Call>(), behind: new Map<string, Call>() };
  /** Who has something to send at the end of this tick, and who has in the next turn. */
  #atEndOfTick: (() => void)[] = [];
  #inNextTurn: (() => void)[] = [];

  constructor({ runner, isCluster, wakeMessage }: AppendSenderOptions) {
    this.#runner = runner;
    this.#wakeMessage = wakeMessage;
    this.#maxStreams = isCluster ? 1 : MAX_STREAMS_PER_CALL;
  }

  /**
   * Calls back at the end of the tick, with all who ask in it: what they send then goes together. One microtask for all,
   * since each costs as much as the rest of what is done here for a batch.
   */
  atEndOfTick(send: () => void): void {
    if (this.#atEndOfTick.push(send) > 1) return;
    queueMicrotask(() => {
      const senders = this.#atEndOfTick;
      this.#atEndOfTick = [];
      this.#collect(senders);
    });
  }

  /** Calls back in the next turn of the event loop, with all who ask in this one: what they send then goes together. */
  inNextTurn(send: () => void): void {
    if (this.#inNextTurn.push(send) === 1) nextTurn(() => this.#collect(this.#inNextTurn.splice(0)));
  }

  /**
   * Sends a batch, from within one of these. The numbers of a stream's calls must rise, so it sends one batch each time.
   */
  send(batch: Batch): void {
    const call = this.#callFor(batch);
    call.batches.push(batch);
    call.events += batch.events.length;
    call.bytes += batch.bytes;
    batch.joinCall(this.#writer, call.number);
  }

  /** Sends a batch that was turned away once more, alone, with the number of its first call. */
  sendAgain(batch: Batch): void {
    this.#run(batch.call, batch.retention, [batch]);
  }

  /** Makes calls of what is sent now. */
  #collect(senders: readonly (() => void)[]): void {
    for (const send of senders) send();
    const { behind, first } = this.#open;
    // New ones: a map that lives on keeps, when it is cleared, what was in it until the next full garbage collection.
    this.#open = { first: new Map(), behind: new Map() };
    for (const { number, retention, batches } of behind.values()) this.#run(number, retention, batches);
    for (const { number, retention, batches } of first.values()) this.#run(number, retention, batches);
  }

  #callFor(batch: Batch): Call {
    const { order, retention } = batch;
    const calls = order === "behind" ? this.#open.behind : this.#open.first;
    const open = calls.get(retention.text);
    if (open !== undefined && this.#fits(open, batch)) return open;
    if (open !== undefined) this.#run(open.number, retention, open.batches);
    const call: Call = { number: (this.#calls += 1), retention, batches: [], events: 0, bytes: 0 };
    calls.set(retention.text, call);
    return call;
  }

  #fits({ batches, events, bytes }: Call, batch: Batch): boolean {
    return (
      batches.length < this.#maxStreams &&
      events + batch.events.length <= MAX_EVENTS_PER_CALL &&
      bytes + batch.bytes <= MAX_BYTES_PER_CALL
    );
  }

  #run(call: number, retention: RetentionText, batches: readonly Batch[]): void {
    const keys: string[] = [];
    const isBehind = batches.some(({ order }) => order === "behind");
    const args = [
      `${this.#writer} ${call} ${retention.text}`,
      this.#wakeMessage(),
      retention.maxEvents,
      isBehind ? "1" : "0",
    ];
    for (const batch of batches) {
      keys.push(batch.keys.state, batch.keys.events);
      batch.describe(args);
    }
    this.#runner.run(APPEND, keys, args).then(
      (reply) =>
        batches.forEach((batch, index) =>
          batch.onOutcome(batch, this.#outcomeOf(batch, reply[1 + index], reply)),
        ),
      (error: unknown) => this.#failed(call, retention, batches, error),
    );
  }

  /** One stream may have failed them all, or this is a cluster in disguise: each alone, then. Those stored say so. */
  #failed(call: number, retention: RetentionText, batches: readonly Batch[], error: unknown): void {
    const failure = error instanceof EventStoreError ? failureOf(error.cause) : undefined;
    if (batches.length > 1 && failure?.kind === "refused" && !isPassing(failure)) {
      if (failure.code === "CROSSSLOT") this.#maxStreams = 1;
      for (const batch of batches) this.#run(call, retention, [batch]);
      return;
    }
    const reason = asError(error);
    for (const batch of batches) batch.onOutcome(batch, { kind: "failed", error: reason });
  }

  /** The script answers with a word of its own, with the time, or with the stream's new state. */
  #outcomeOf(batch: Batch, answer: unknown, reply: readonly unknown[]): Outcome {
    if (typeof answer !== "string") return { kind: "failed", error: unexpectedReply(reply) };
    if (answer === UNEXPECTED) return { kind: "turned-away" };
    const { isFollowed, next, stream } = batch;
    if (answer === ENDED) return { kind: "failed", error: endedError(stream) };
    // What has overtaken a batch is what follows it, and is stored only behind it.
    const isLost = answer === LATE && !(isFollowed && next !== undefined);
    if (isLost) return { kind: "failed", error: lateError(stream) };
    const isAsExpected = answer === LATE || /^\d+$/.test(answer);
    const state = isAsExpected && next !== undefined ? next : StreamState.parse(answer, this.#writer);
    if (state?.ownHead === undefined) return { kind: "failed", error: unexpectedReply([answer]) };
    return { kind: "stored", state, last: { epoch: state.epoch, seq: state.ownHead } };
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
