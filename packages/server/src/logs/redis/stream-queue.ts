import type { Position } from "../../log/event-log.js";
import { Deque } from "../../log/deque.js";
import { Place } from "../../log/recency-list.js";
import type { Batch } from "./batch.js";
import type { StreamKeys } from "./keys.js";
import type { RetentionText } from "./retention-text.js";
import type { StreamState } from "./stream-state.js";

/** An event that waits to be appended. */
export interface PendingEvent {
  readonly payload: string;
  /** Of the payload, in UTF-8. */
  readonly bytes: number;
  readonly retention: RetentionText;
  /** When it came, on the monotonic clock in milliseconds. */
  readonly since: number;
  readonly resolve: (position: Position) => void;
  readonly reject: (error: Error) => void;
}

type Job =
  | { readonly kind: "append"; readonly event: PendingEvent }
  /** Nothing of the stream runs beside it. */
  | { readonly kind: "change"; readonly run: () => Promise<void> }
  /** Begins when all before it is done; what comes after does not wait for it. */
  | { readonly kind: "read"; readonly start: () => void };

export interface QueueOwner {
  /** The queue has events to be taken; it waits until it is told that they are done. */
  hasEvents(queue: StreamQueue): void;
  /** Every call is done. */
  becameIdle(queue: StreamQueue): void;
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
  /** What the last append has left, if it was known. */
  state: StreamState | undefined;
  readonly #owner: QueueOwner;
  readonly #jobs = new Deque<Job>();
  /** Under way, the oldest first. */
  readonly #batches: Batch[] = [];
  #isChanging = false;
  /** Whether the owner knows that there are events to be taken. */
  #isAnnounced = false;

  constructor(name: string, keys: StreamKeys, owner: QueueOwner) {
    this.name = name;
    this.keys = keys;
    this.#owner = owner;
  }

  /** Whether every call is done. */
  get isIdle(): boolean {
    return !this.#isBusy && this.#jobs.length === 0;
  }

  /** The batches under way: the oldest and the newest, which may be the same. */
  get oldest(): Batch | undefined {
    return this.#batches[0];
  }

  get newest(): Batch | undefined {
    return this.#batches.at(-1);
  }

  /** Whether events may be sent behind a batch that is under way, and enough wait. */
  get canFollow(): boolean {
    const { newest } = this;
    if (newest?.next === undefined || newest.isTurnedAway) return false;
    return this.#batches.length < MAX_BATCHES_UNDER_WAY && this.#jobs.length >= MIN_EVENTS_TO_FOLLOW;
  }

  append(event: PendingEvent): void {
    this.#jobs.push({ kind: "append", event });
    this.#advance();
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

  /**
   * Takes the events that may go together: of one retention, at most so many, and so many bytes but for a single one.
   * Of many it leaves one half to follow.
   */
  take(maxEvents: number, maxBytes: number): PendingEvent[] {
    const waiting = this.#jobs.length;
    const isToBeFollowed = this.#batches.length === 0 && waiting >= 2 * MIN_EVENTS_TO_FOLLOW;
    const most = isToBeFollowed ? Math.min(maxEvents, Math.ceil(waiting / 2)) : maxEvents;
    const events: PendingEvent[] = [];
    let bytes = 0;
    while (events.length < most) {
      const job = this.#jobs.at(0);
      if (job?.kind !== "append") break;
      const { event } = job;
      const [first] = events;
      if (
        first !== undefined &&
        (first.retention.text !== event.retention.text || bytes + event.bytes > maxBytes)
      ) {
        break;
      }
      bytes += event.bytes;
      events.push(event);
      this.#jobs.shift();
    }
    return events;
  }

  /** The batch is on its way. */
  sent(batch: Batch): void {
    this.#batches.push(batch);
  }

  /** The batch is done, well or badly. */
  done(batch: Batch): void {
    const place = this.#batches.indexOf(batch);
    if (place >= 0) this.#batches.splice(place, 1);
    this.#advance();
  }

  /** What was announced has been taken, as far as it could be. */
  taken(): void {
    this.#isAnnounced = false;
    this.#advance();
  }

  get #isBusy(): boolean {
    return this.#batches.length > 0 || this.#isChanging || this.#isAnnounced;
  }

  #advance(): void {
    for (;;) {
      const job = this.#jobs.at(0);
      if (job === undefined) {
        if (!this.#isBusy) this.#owner.becameIdle(this);
        return;
      }
      if (job.kind === "append" && this.canFollow && !this.#isAnnounced) {
        this.#announce();
        return;
      }
      if (this.#isBusy) return;
      switch (job.kind) {
        case "append":
          this.#announce();
          break;
        case "change":
          this.#jobs.shift();
          this.#isChanging = true;
          void job.run().finally(() => {
            this.#isChanging = false;
            this.#advance();
          });
          break;
        case "read":
          this.#jobs.shift();
          job.start();
          break;
      }
    }
  }

  #announce(): void {
    this.#isAnnounced = true;
    this.#owner.hasEvents(this);
  }
}
