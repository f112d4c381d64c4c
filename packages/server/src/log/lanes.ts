import { Place, RecencyList } from "./recency-list.js";

/** One stream's queue of work, and what is known of the stream. */
export class Lane<T> {
  readonly name: string;
  readonly place: Place<Lane<T>> = new Place<Lane<T>>(this);
  /** What the log knows of the stream, for as long as the lane is kept. */
  state: T | undefined;
  #waiting = 0;
  #last: Promise<unknown> = Promise.resolve();

  constructor(name: string) {
    this.name = name;
  }

  get isIdle(): boolean {
    return this.#waiting === 0;
  }

  /** Resolves when all work that has been given so far is done, well or badly. */
  get settled(): Promise<unknown> {
    return this.#last;
  }

  run<R>(work: () => Promise<R>): Promise<R> {
    this.#waiting += 1;
    const result = this.#last.then(work);
    const done = () => {
      this.#waiting -= 1;
    };
    this.#last = result.then(done, done);
    return result;
  }
}

/**
 * The lanes of a log's streams: the work of one stream runs one after the other, in the order in which it was given.
 * At most so many idle lanes are kept; those not used for longest are forgotten, with what was known of their streams.
 */
export class Lanes<T> {
  readonly #lanes = new Map<string, Lane<T>>();
  readonly #used = new RecencyList<Lane<T>>();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  /** What is known of a stream, if anything. */
  peek(name: string): T | undefined {
    const lane = this.#lanes.get(name);
    if (lane !== undefined) this.#used.use(lane.place);
    return lane?.state;
  }

  run<R>(name: string, work: (lane: Lane<T>) => Promise<R>): Promise<R> {
    const lane = this.#lanes.get(name) ?? this.#create(name);
    this.#used.use(lane.place);
    const result = lane.run(() => work(lane));
    void lane.settled.then(() => this.#forgetUnused(lane));
    return result;
  }

  /** Resolves when all work that a stream has been given so far is done; `undefined` when there is none. */
  settledOf(name: string): Promise<unknown> | undefined {
    return this.#lanes.get(name)?.settled;
  }

  async settled(): Promise<void> {
    await Promise.all([...this.#lanes.values()].map((lane) => lane.settled));
  }

  #create(name: string): Lane<T> {
    const lane = new Lane<T>(name);
    this.#lanes.set(name, lane);
    return lane;
  }

  #forgetUnused(done: Lane<T>): void {
    if (done.isIdle && done.state === undefined) this.#forget(done);
    // Lanes at work are passed over, each at most once, since they become the newest.
    for (let seen = this.#lanes.size; seen > 0 && this.#lanes.size > this.#max; seen -= 1) {
      const oldest = this.#used.oldest;
      if (oldest === undefined) return;
      if (oldest.isIdle) this.#forget(oldest);
      else this.#used.use(oldest.place);
    }
  }

  #forget(lane: Lane<T>): void {
    if (this.#lanes.get(lane.name) === lane) this.#lanes.delete(lane.name);
    this.#used.remove(lane.place);
  }
}
