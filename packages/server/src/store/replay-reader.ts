// Reads a stream page by page from a client's cursor, with gaps and unstored messages in their places, and follows it.

import { EventStoreError } from "../log/errors.js";
import type { LogPage } from "../log/event-log.js";
import { eventIdWriter, type ParsedEventId, type UnstoredMark } from "./event-id.js";
import type { Changes, LimitedLog } from "./time-limited-log.js";
import { type Gap, gapNotification, isPrimingPayload, isResponsePayload } from "./messages.js";
import { lossesSince, type UnstoredRecord, type UnstoredStream } from "./unstored-messages.js";
import { judge, type Verdict } from "./resume-verdict.js";

/** The stream that is read. */
export interface ReaderSource {
  readonly log: LimitedLog;
  /** Its name in the log. */
  readonly name: string;
  readonly streamId: string;
  readonly pageSize: number;
  /** Whether a JSON-RPC response ends it. */
  readonly endsWithResponse: boolean;
  readonly refusesGaps: boolean;
  /** What of it waits in memory, since the log could not store it. */
  readonly unstored: UnstoredStream | undefined;
  /**
   * The last seq of which it is certain that all before it are either in the log or in memory: while appends are under
   * way, one of them may fail that belongs before an event that can be read already. @defaultValue no limit
   */
  readonly lastInOrder?: () => number;
}

/** A message, or a gap, at its place in the stream. */
export interface ReaderEntry {
  readonly eventId: string;
  /** The JSON of the message; that of the notification for a gap. */
  readonly payload: string;
  /** Set on a gap: what is missing here. */
  readonly gap?: Gap;
}

/** Some entries in their order; never none. */
export type ReaderPage = readonly ReaderEntry[];

export interface ReadOptions {
  /** Whether to wait at the head for more, until the stream ends. @defaultValue false */
  readonly follow?: boolean;
  /** Ends every wait; the reader throws its reason. */
  readonly signal?: AbortSignal;
}

/**
 * Reads a stream from a cursor. Ask for the verdict first: there is something to read if it is `resumed` or `gap`.
 *
 * With `follow`, the reader takes pages until it has given the stream's final response, or all of a stream that has
 * ended; it is the loop of one connection from its replay to its end.
 */
export function read(source: ReaderSource, cursor: ParsedEventId, options: ReadOptions = {}): Reader {
  return new Reader(source, cursor, options);
}

/**
 * One reading of a stream, which pulls: nothing is read ahead of whoever takes the pages. Its position never goes back,
 * whichever of its ways is used.
 *
 * All ways throw {@link EventStoreError}: `unknown-event` when the stream was lost meanwhile, or a gap shows up that is
 * to be refused; what the log throws.
 */
export class Reader implements AsyncIterable<ReaderPage> {
  readonly #source: ReaderSource;
  readonly #cursor: ParsedEventId;
  readonly #options: ReadOptions;
  readonly #eventId: (seq: number, unstored?: UnstoredMark) => string;
  #firstPage: LogPage | undefined;
  /** The position: the last seq, and the number of the last unstored message, that was given. */
  #after: number;
  #number: number;
  /** The head as it was read last. */
  #head = Infinity;
  /** The last seq of a stream that has ended. */
  #endedAt = Infinity;
  #isAtEnd = false;
  #page: ReaderEntry[] = [];
  #changes: Changes | undefined;

  constructor(source: ReaderSource, cursor: ParsedEventId, options: ReadOptions) {
    this.#source = source;
    this.#cursor = cursor;
    this.#options = options;
    this.#eventId = eventIdWriter(cursor.epoch, source.streamId);
    this.#after = cursor.seq;
    // The numbers of another life mean nothing here; the position does.
    const isOfThisLife = cursor.unstored?.life === source.unstored?.life;
    this.#number = isOfThisLife ? (cursor.unstored?.number ?? 0) : 0;
  }

  /** Whether the stream's final response was given. */
  get isAtEnd(): boolean {
    return this.#isAtEnd;
  }

  /**
   * Reads the first page, the cursor's own event included, and says what can be had from the cursor. With `follow` the
   * log is subscribed to before, until the pages are taken to their end or the signal aborts.
   */
  async verdict(): Promise<Verdict> {
    const { pageSize, endsWithResponse, refusesGaps, unstored } = this.#source;
    if (this.#options.follow === true) this.#watch();
    let verdict: Verdict | undefined;
    try {
      const { seq } = this.#cursor;
      let page = await this.#readLog(seq - 1, pageSize + 1);
      // The cursor's own event may fill a page alone, and then the page says nothing of what comes after it.
      if (page !== undefined && seq < page.head.seq && page.entries.at(-1)?.seq === seq) {
        page = await this.#readLog(seq, pageSize);
      }
      if (page !== undefined) unstored?.reconcile(page.entries);
      this.#firstPage = page;
      const due = this.#due(Infinity);
      verdict = judge(this.#cursor, page, {
        endsWithResponse,
        refusesGaps,
        hasUnstored: due.length > 0,
        lost: due.reduce((sum, record, index) => {
          return sum + lossesSince(due[index - 1]?.number ?? this.#number, record);
        }, 0),
        hasUnstoredResponse: unstored?.hasResponse ?? false,
      });
      return verdict;
    } finally {
      if (verdict?.kind !== "resumed" && verdict?.kind !== "gap") this.#unwatch();
    }
  }

  /** Up to the head as it is, or with `follow` up to the stream's end. */
  async *[Symbol.asyncIterator](): AsyncGenerator<ReaderPage, void, undefined> {
    if (this.#options.follow === true) yield* this.#follow();
    else yield* this.rest();
  }

  /** What is in its final order already, up to the head as it is now, as far as anything is left of it. */
  async *inOrder(): AsyncGenerator<ReaderPage, void, undefined> {
    yield* this.#upTo(this.#lastInOrder);
  }

  /**
   * Everything up to the head as it is now, and then what waits in memory behind all that is stored. For when no append
   * is under way.
   */
  async *rest(): AsyncGenerator<ReaderPage, void, undefined> {
    yield* this.#caughtUp(() => Infinity);
  }

  async *#follow(): AsyncGenerator<ReaderPage, void, undefined> {
    const changes = this.#watch();
    try {
      for (;;) {
        yield* this.#caughtUp(this.#lastInOrder, ({ after }) => (after ?? this.#head) <= this.#after);
        if (this.#isAtEnd || this.#after >= this.#endedAt) return;
        await changes.next();
      }
    } finally {
      this.#unwatch();
    }
  }

  /** Is told of changes from now on: before anything is read, so that nothing falls between. */
  #watch(): Changes {
    const { log, name, unstored } = this.#source;
    this.#changes ??= log.changes(name, this.#options.signal, (note) => unstored?.watch(note));
    return this.#changes;
  }

  #unwatch(): void {
    this.#changes?.stop();
    this.#changes = undefined;
  }

  readonly #lastInOrder = (): number => this.#source.lastInOrder?.() ?? Infinity;

  /** @param isNext whether everything that was stored before a record has been given. */
  async *#caughtUp(
    bound: () => number,
    isNext: (record: UnstoredRecord) => boolean = () => true,
  ): AsyncGenerator<ReaderPage, void, undefined> {
    const head = yield* this.#upTo(bound);
    yield* this.#give(() => {
      this.#addBefore(head + 1);
      for (const record of this.#due(Infinity)) {
        if (record.before === undefined && isNext(record)) this.#addRecord(record);
      }
    });
  }

  /** @returns the last seq that was to be given. */
  async *#upTo(bound: () => number): AsyncGenerator<ReaderPage, number, undefined> {
    let target = Infinity;
    do {
      const before = this.#after;
      const page = await this.#nextPage();
      target = Math.min(target, page.head.seq, bound());
      // Nothing is left up to there. How many are gone is told in one with those that are gone behind it.
      if (page.floor > target) break;
      yield* this.#give(() => this.#addEntries(page, target));
      if (this.#after === before && before < target) {
        throw new EventStoreError("backend", "The log reports events after a position, but returns none.");
      }
    } while (this.#after < target);
    return target;
  }

  async #nextPage(): Promise<LogPage> {
    const { pageSize, unstored } = this.#source;
    const page = this.#firstPage ?? (await this.#readLog(this.#after, pageSize));
    this.#firstPage = undefined;
    if (page?.head.epoch !== this.#cursor.epoch) {
      throw new EventStoreError("unknown-event", "The stream was lost while it was replayed.");
    }
    unstored?.reconcile(page.entries);
    this.#head = page.head.seq;
    if (page.ended) this.#endedAt = page.head.seq;
    return page;
  }

  #readLog(after: number, limit: number): Promise<LogPage | undefined> {
    const { log, name } = this.#source;
    return log.read(name, after, limit, this.#options.signal);
  }

  /** Yields what was added, also if it then fails: what comes before a gap that is refused can be had. */
  *#give(add: () => void): Generator<ReaderPage, void, undefined> {
    try {
      add();
    } finally {
      const page = this.#page;
      this.#page = [];
      if (page.length > 0) yield page;
    }
  }

  #addEntries(page: LogPage, last: number): void {
    for (const { seq, payload } of page.entries) {
      if (seq <= this.#after) continue;
      if (seq > last) return;
      this.#addBefore(seq);
      this.#after = seq;
      if (!isPrimingPayload(payload)) this.#addMessage(payload, undefined);
    }
  }

  /**
   * Adds what has its place before the event `next` without being in the log: what waits in memory, and what retention
   * has dropped, which may show up at the cursor or, when it drops during the reading, further on.
   */
  #addBefore(next: number): void {
    for (const record of this.#due(next)) {
      this.#addHole((record.before ?? next) - 1);
      this.#addRecord(record);
    }
    this.#addHole(next - 1);
  }

  #addHole(to: number): void {
    const from = this.#after + 1;
    if (to < from) return;
    this.#after = to;
    this.#addGap({ missed: to - from + 1, from, to }, undefined);
  }

  #addRecord(record: UnstoredRecord): void {
    const life = this.#source.unstored?.life ?? "";
    const missed = lossesSince(this.#number, record);
    this.#number = record.number;
    const mark: UnstoredMark = { life, number: record.number };
    const { payload } = record;
    // Two events with one id would be one and its repetition to the client.
    const gapMark = payload === undefined ? mark : { life, number: record.number - 1 };
    if (missed > 0) this.#addGap({ missed, from: this.#after + 1, to: this.#after }, gapMark);
    if (payload !== undefined) this.#addMessage(payload, mark);
    // A response whose content was given up ends the stream all the same: nothing will follow.
    if (record.isResponse && this.#source.endsWithResponse) this.#isAtEnd = true;
  }

  #due(upTo: number): readonly UnstoredRecord[] {
    return this.#source.unstored?.due(this.#after, this.#number, upTo) ?? [];
  }

  #addGap(gap: Gap, mark: UnstoredMark | undefined): void {
    if (this.#source.refusesGaps) {
      throw new EventStoreError(
        "unknown-event",
        `${gap.missed} messages were lost while they were replayed.`,
      );
    }
    const payload = JSON.stringify(gapNotification(gap));
    this.#page.push({ eventId: this.#eventId(this.#after, mark), payload, gap });
  }

  #addMessage(payload: string, mark: UnstoredMark | undefined): void {
    if (this.#source.endsWithResponse && isResponsePayload(payload)) this.#isAtEnd = true;
    this.#page.push({ eventId: this.#eventId(this.#after, mark), payload });
  }
}
