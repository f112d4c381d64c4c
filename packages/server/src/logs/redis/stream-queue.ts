// Runs the calls on one stream in the order in which they were made, and sends its waiting events in batches.

import type { CheckedEvent } from "../../log/checked-log.js";
import { Deque, Place } from "../../log/collections.js";
import { timeoutError } from "../../log/errors.js";
import type { Position } from "../../log/event-log.js";
import { type AppendSender, MAX_BYTES_PER_CALL, MAX_EVENTS_PER_CALL } from "./append-sender.js";
import { Batch, type Outcome, type PendingEvent } from "./append-batch.js";
import type { RetentionText, StreamKeys, StreamState } from "./stream-state.js";

type Job =
  | { readonly kind: "append"; readonly event: PendingEvent }
  /** Nothing of the stream runs beside it. */
  | { readonly kind: "change"; readonly run: () => Promise<void> }
  /** Begins when all before it is done; what comes after does not wait for it. */
  | { readonly kind: "read"; readonly start: () => void };

export interface StreamQueueOptions {
  readonly sender: AppendSender;
  /** An event that has waited for longer fails without an attempt, in milliseconds. */
  readonly timeoutMs: number;
  /** Events are done with: stored, without an error. Those who wait for them are told after this. */
  readonly onSettled: (stream: string, events: readonly PendingEvent[], error: Error | undefined) => void;
  /** Every call is done. */
  readonly onIdle: (queue: StreamQueue) => void;
}

/** So many events must wait for a second call to be worth its cost while the answer to one is not there. */
const MIN_EVENTS_TO_FOLLOW = 16;
/** Of one stream. More would wait for the server, not for the network. */
const MAX_BATCHES_UNDER_WAY = 2;

/**
 * The calls on one stream, in the order in which they were made. An event that comes while a call to the server is
 * under way waits, and then goes together with all that wait, so that many events at once cost few calls. When many
 * wait, they go in two batches, the second before the first is answered: so the server works while this process does.
 * It is stored only behind the first, so the order holds whatever breaks and is tried again.
 */
export class StreamQueue {
  readonly name: string;
  readonly keys: StreamKeys;
  /** Among those that are idle. */
  readonly place: Place<StreamQueue> = new Place<StreamQueue>(this);
  readonly #options: StreamQueueOptions;
  readonly #jobs = new Deque<Job>();
  /** Under way, the oldest first. */
  readonly #batches: Batch[] = [];
  /** What the last append has left, if it was known. */
  #state: StreamState | undefined;
  /** While events gather for a batch, or a change runs, no other job begins. */
  #phase: "open" | "gathering" | "changing" = "open";

  constructor(name: string, keys: StreamKeys, options: StreamQueueOptions) {
    this.name = name;
    this.keys = keys;
    this.#options = options;
  }

  /** Whether every call is done. */
  get isIdle(): boolean {
    return !this.#isBusy && this.#jobs.length === 0;
  }

  append({ payload, bytes }: CheckedEvent, retention: RetentionText): Promise<Position> {
    return new Promise((resolve, reject) => {
      const event = { payload, bytes, retention, since: performance.now(), resolve, reject };
      this.#jobs.push({ kind: "append", event });
      this.#advance();
    });
  }

  /** Runs a change of the stream, in its turn. */
  change(run: () => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#jobs.push({ kind: "change", run: () => run().then(resolve, reject) });
      this.#advance();
    });
  }

  /** Runs a read that shall see all that was asked for before. */
  read<T>(run: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#jobs.push({ kind: "read", start: () => void run().then(resolve, reject) });
      this.#advance();
    });
  }

  get #isBusy(): boolean {
    return this.#batches.length > 0 || this.#phase !== "open";
  }

  /** Whether events may be sent behind a batch that is under way, and enough wait. */
  get #canFollow(): boolean {
    const newest = this.#batches.at(-1);
    if (newest?.next === undefined || newest.order === "turned-away" || newest.order === "again")
      return false;
    return this.#batches.length < MAX_BATCHES_UNDER_WAY && this.#jobs.length >= MIN_EVENTS_TO_FOLLOW;
  }

  #advance(): void {
    for (;;) {
      const job = this.#jobs.at(0);
      if (job === undefined) {
        if (!this.#isBusy) this.#options.onIdle(this);
        return;
      }
      if (job.kind === "append") {
        if (this.#phase === "open" && (this.#batches.length === 0 || this.#canFollow)) this.#gather();
        return;
      }
      if (this.#isBusy) return;
      this.#jobs.shift();
      if (job.kind === "read") {
        job.start();
      } else {
        this.#phase = "changing";
        void job.run().finally(() => this.#reopen());
      }
    }
  }

  #reopen(): void {
    this.#phase = "open";
    this.#advance();
  }

  /** The events that come until the end of the tick go together. */
  #gather(): void {
    this.#phase = "gathering";
    const { sender } = this.#options;
    sender.atEndOfTick(() => {
      if (this.#batches.length === 0 || this.#canFollow) this.#sendBatch();
      if (!this.#canFollow) {
        this.#reopen();
        return;
      }
      // Two halves in one write would be answered in one, and the server would wait while this process works, and it
      // for the server.
      sender.inNextTurn(() => {
        if (this.#canFollow) this.#sendBatch();
        this.#reopen();
      });
    });
  }

  #sendBatch(): void {
    const events = this.#withoutOverdue(this.#take());
    const [first] = events;
    if (first === undefined) return;
    const batch = new Batch(this, first, events, this.#batches.at(-1), this.#state, this.#settle);
    this.#batches.push(batch);
    this.#options.sender.send(batch);
  }

  /**
   * Takes the events that may go together: of one retention, at most as many as a call takes, and as many bytes but for
   * a single one. Of many it leaves one half to follow.
   */
  #take(): PendingEvent[] {
    const waiting = this.#jobs.length;
    const isToBeFollowed = this.#batches.length === 0 && waiting >= 2 * MIN_EVENTS_TO_FOLLOW;
    const most = isToBeFollowed ? Math.min(MAX_EVENTS_PER_CALL, Math.ceil(waiting / 2)) : MAX_EVENTS_PER_CALL;
    const events: PendingEvent[] = [];
    let bytes = 0;
    while (events.length < most) {
      const job = this.#jobs.at(0);
      if (job?.kind !== "append") break;
      const { event } = job;
      const [first] = events;
      bytes += event.bytes;
      if (
        first !== undefined &&
        (first.retention.text !== event.retention.text || bytes > MAX_BYTES_PER_CALL)
      )
        break;
      events.push(event);
      this.#jobs.shift();
    }
    return events;
  }

  /** What has waited behind a failing call for all of its time fails too, without an attempt. */
  #withoutOverdue(events: readonly PendingEvent[]): readonly PendingEvent[] {
    const { timeoutMs, onSettled } = this.#options;
    const oldest = performance.now() - timeoutMs;
    if (events.every(({ since }) => since >= oldest)) return events;
    const overdue = events.filter(({ since }) => since < oldest);
    const error = timeoutError("Redis: an append that waited for others", timeoutMs);
    onSettled(this.name, overdue, error);
    for (const event of overdue) event.reject(error);
    return events.filter(({ since }) => since >= oldest);
  }

  readonly #settle = (batch: Batch, outcome: Outcome): void => {
    switch (outcome.kind) {
      case "stored":
        this.#state = outcome.state;
        this.#done(batch, undefined);
        batch.resolve(outcome.last);
        break;
      case "turned-away":
        batch.order = "turned-away";
        this.#sendTurnedAway();
        break;
      case "failed":
        this.#reject(batch, outcome.error);
        break;
    }
  };

  #reject(batch: Batch, reason: Error): void {
    this.#done(batch, reason);
    batch.reject(reason);
  }

  #done(batch: Batch, error: Error | undefined): void {
    this.#options.onSettled(this.name, batch.events, error);
    this.#batches.splice(this.#batches.indexOf(batch), 1);
    this.#advance();
    this.#sendTurnedAway();
  }

  /** What was turned away goes once more, as the first. Its answer may have been lost, and then the server says so. */
  #sendTurnedAway(): void {
    const [oldest] = this.#batches;
    if (oldest?.order !== "turned-away") return;
    const { sender, timeoutMs } = this.#options;
    if (oldest.first.since < performance.now() - timeoutMs) {
      this.#reject(oldest, timeoutError("Redis: an append behind another one", timeoutMs, true));
      return;
    }
    oldest.goAgain(this.#state);
    sender.sendAgain(oldest);
  }
}
