import type { Position } from "../../event-log.js";
import { Deque } from "../deque.js";
import { Place } from "../recency-list.js";
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

/**
 * The calls on one stream, in the order in which they were made. One call to the server at a time: an event that comes
 * while another is under way waits, and then goes together with all that wait. So the order holds whatever breaks and
 * is tried again, and many events at once cost few calls.
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
  #isBusy = false;

  constructor(name: string, keys: StreamKeys, owner: QueueOwner) {
    this.name = name;
    this.keys = keys;
    this.#owner = owner;
  }

  /** Whether every call is done. */
  get isIdle(): boolean {
    return !this.#isBusy && this.#jobs.length === 0;
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
   */
  take(maxEvents: number, maxBytes: number): PendingEvent[] {
    const events: PendingEvent[] = [];
    let bytes = 0;
    while (events.length < maxEvents) {
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

  /** What was taken is done, well or badly. */
  done(): void {
    this.#isBusy = false;
    this.#advance();
  }

  #advance(): void {
    while (!this.#isBusy) {
      const job = this.#jobs.at(0);
      if (job === undefined) {
        this.#owner.becameIdle(this);
        return;
      }
      switch (job.kind) {
        case "append":
          this.#isBusy = true;
          this.#owner.hasEvents(this);
          break;
        case "change":
          this.#jobs.shift();
          this.#isBusy = true;
          void job.run().finally(() => this.done());
          break;
        case "read":
          this.#jobs.shift();
          job.start();
          break;
      }
    }
  }
}
