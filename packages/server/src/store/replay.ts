import { EventStoreError, timeoutError } from "../log/errors.js";
import type { LogPage } from "../log/event-log.js";
import { formatEventId, type ParsedEventId, type UnstoredMark } from "./event-id.js";
import type { LimitedLog } from "./limited-log.js";
import { decodePayload, type Gap, gapNotification, isResponse, type JsonRpcMessage } from "./messages.js";
import type { UnstoredRecord, UnstoredStream } from "./unstored.js";
import { judge, type Verdict } from "./verdict.js";
import { within } from "../log/waits.js";

/** Takes one message of a replay; the next one waits until it is done. */
export type Send = (eventId: string, message: JsonRpcMessage) => Promise<void> | void;

/** The stream that is replayed. */
export interface ReplaySource {
  readonly log: LimitedLog;
  /** Its name in the log. */
  readonly name: string;
  readonly streamId: string;
  readonly pageSize: number;
  /** How long `send` may take, in milliseconds. */
  readonly limitMs: number;
  /** Whether a JSON-RPC response ends it. */
  readonly endsWithResponse: boolean;
  readonly refusesGaps: boolean;
  /** What of it waits in memory, since the log could not store it. */
  readonly unstored: UnstoredStream | undefined;
}

/** One replay of a stream from a cursor: opened, then advanced page by page. Its position never goes back. */
export class Replay {
  readonly #source: ReplaySource;
  readonly #epoch: string;
  readonly #cursor: ParsedEventId;
  readonly #send: Send;
  readonly #gaps: Gap[] = [];
  #signal: AbortSignal | undefined;
  #firstPage: LogPage | undefined;
  #after: number;
  #number: number;
  #replayed = 0;
  #isAtEnd = false;

  constructor(source: ReplaySource, cursor: ParsedEventId, send: Send) {
    this.#source = source;
    this.#cursor = cursor;
    this.#epoch = cursor.epoch;
    this.#send = send;
    this.#after = cursor.seq;
    // The numbers of another life mean nothing here; the position does.
    const isOfThisLife = cursor.unstored?.life === source.unstored?.life;
    this.#number = isOfThisLife ? (cursor.unstored?.number ?? 0) : 0;
  }

  /** Whether the stream's final response was sent. */
  get isAtEnd(): boolean {
    return this.#isAtEnd;
  }

  /** How many messages were sent, gap notifications not among them. */
  get replayed(): number {
    return this.#replayed;
  }

  /** What was found missing, all in one. */
  get gap(): Gap | undefined {
    const first = this.#gaps[0];
    const last = this.#gaps.at(-1);
    if (first === undefined || last === undefined) return undefined;
    const missed = this.#gaps.reduce((sum, gap) => sum + gap.missed, 0);
    return { missed, from: first.from, to: last.to };
  }

  /** Reads the first page, the cursor's own event included, and says what can be had from the cursor. */
  async open(): Promise<Verdict> {
    const { log, name, pageSize, endsWithResponse, refusesGaps, unstored } = this.#source;
    const page = await log.read(name, this.#after - 1, pageSize + 1);
    if (page !== undefined) unstored?.reconcile(page.entries);
    this.#firstPage = page;
    return judge(this.#cursor, page, {
      endsWithResponse,
      refusesGaps,
      due: unstored?.due(this.#after, this.#number, Infinity) ?? [],
      hasUnstoredResponse: unstored?.hasResponse ?? false,
    });
  }

  /**
   * Sends what comes after the position, up to the head as it is now, as far as anything is left of it.
   *
   * @param bound the last seq that may be sent yet.
   * @throws {EventStoreError} `unknown-event` when the stream was lost meanwhile; what the log and `send` throw.
   */
  async advance(bound: () => number): Promise<void> {
    await this.#advance(bound);
  }

  /**
   * Sends the rest, up to the head as it is now, and then what waits in memory behind everything stored.
   *
   * @param signal stops before the next message when it aborts.
   * @throws {EventStoreError} `unknown-event` when the stream was lost meanwhile; what the log and `send` throw.
   */
  async finish(signal?: AbortSignal): Promise<void> {
    this.#signal = signal;
    const head = await this.#advance(() => Infinity);
    await this.#sendBefore(head + 1);
    const { unstored } = this.#source;
    for (const record of this.#due(Infinity)) await this.#sendRecord(record, unstored?.life ?? "");
  }

  /** @returns the last seq that was to be sent. */
  async #advance(bound: () => number): Promise<number> {
    let target = Infinity;
    do {
      const before = this.#after;
      const page = await this.#nextPage();
      target = Math.min(target, page.head.seq, bound());
      // Nothing is left up to there. How many are gone is told in one with those that are gone behind it.
      if (page.floor > target) return target;
      await this.#sendPage(page, target);
      if (this.#after === before && before < target) {
        throw new EventStoreError("backend", "The log has events after a position, and does not give them.");
      }
    } while (this.#after < target);
    return target;
  }

  async #nextPage(): Promise<LogPage> {
    const { log, name, pageSize, unstored } = this.#source;
    const page = this.#firstPage ?? (await log.read(name, this.#after, pageSize));
    this.#firstPage = undefined;
    if (page?.head.epoch !== this.#epoch) {
      throw new EventStoreError("unknown-event", "The stream was lost while it was replayed.");
    }
    unstored?.reconcile(page.entries);
    return page;
  }

  async #sendPage(page: LogPage, last: number): Promise<void> {
    for (const entry of page.entries) {
      if (entry.seq <= this.#after) continue;
      if (entry.seq > last) return;
      await this.#sendBefore(entry.seq);
      this.#after = entry.seq;
      const message = decodePayload(entry.payload);
      if (message !== undefined) await this.#sendMessage(message, undefined);
    }
  }

  /**
   * Sends what has its place before the event `next` without being in the log: what waits in memory, and what
   * retention has dropped, which may show up at the cursor or, when it drops during the replay, further on.
   */
  async #sendBefore(next: number): Promise<void> {
    for (const record of this.#due(next)) {
      await this.#sendHole((record.before ?? next) - 1);
      await this.#sendRecord(record, this.#source.unstored?.life ?? "");
    }
    await this.#sendHole(next - 1);
  }

  async #sendHole(to: number): Promise<void> {
    const from = this.#after + 1;
    if (to < from) return;
    this.#after = to;
    await this.#sendGap({ missed: to - from + 1, from, to }, undefined);
  }

  async #sendRecord(record: UnstoredRecord, life: string): Promise<void> {
    this.#number = record.number;
    const mark: UnstoredMark = { life, number: record.number };
    const { missed, payload } = record;
    // Two events with one id would be one and its repetition to the client.
    const gapMark = payload === undefined ? mark : { life, number: record.number - 1 };
    if (missed > 0) await this.#sendGap({ missed, from: this.#after + 1, to: this.#after }, gapMark);
    const message = payload === undefined ? undefined : decodePayload(payload);
    if (message !== undefined) await this.#sendMessage(message, mark);
    // A response whose content was given up ends the stream all the same: nothing will follow.
    if (record.isResponse && this.#source.endsWithResponse) this.#isAtEnd = true;
  }

  #due(upTo: number): readonly UnstoredRecord[] {
    return this.#source.unstored?.due(this.#after, this.#number, upTo) ?? [];
  }

  async #sendGap(gap: Gap, mark: UnstoredMark | undefined): Promise<void> {
    if (this.#source.refusesGaps) {
      throw new EventStoreError(
        "unknown-event",
        `${gap.missed} messages were lost while they were replayed.`,
      );
    }
    this.#gaps.push(gap);
    await this.#emit(gapNotification(gap), mark);
  }

  async #sendMessage(message: JsonRpcMessage, mark: UnstoredMark | undefined): Promise<void> {
    if (this.#source.endsWithResponse && isResponse(message)) this.#isAtEnd = true;
    await this.#emit(message, mark);
    this.#replayed += 1;
  }

  /** A receiver that never takes the message must not hold the replay, and the gate with it, for ever. */
  async #emit(message: JsonRpcMessage, unstored: UnstoredMark | undefined): Promise<void> {
    this.#signal?.throwIfAborted();
    const position = { seq: this.#after, epoch: this.#epoch, stream: this.#source.streamId };
    const eventId = formatEventId(unstored === undefined ? position : { ...position, unstored });
    const sent = this.#send(eventId, message);
    if (sent === undefined) return;
    const { limitMs } = this.#source;
    await within(sent, limitMs, () => timeoutError("Taking a replayed message", limitMs));
  }
}
