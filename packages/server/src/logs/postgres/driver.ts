import { EventStoreError } from "../../log/errors.js";
import type { LogEntry, LogPage, Position, Retention } from "../../log/event-log.js";
import { Lanes } from "../../log/lanes.js";
import type { Appender, NewEvent } from "./appender.js";
import type { StatementRunner } from "./runner.js";
import type { Statements } from "./statements.js";
import { fromText, toText } from "./text.js";

/** Appends that wait for the one before them go together in one statement, up to these limits. */
const EVENTS_PER_STATEMENT = 256;
const BYTES_PER_STATEMENT = 1024 * 1024;
/** What an event that waits takes beside its payload, in bytes. */
const PENDING_EVENT_BYTES = 500;

/** Appends of one stream that are stored together. */
interface Batch {
  readonly events: NewEvent[];
  readonly retention: Retention;
  bytes: number;
  /** The position of the last event. */
  readonly stored: Promise<Position>;
}

export interface StreamCallsOptions {
  readonly runner: StatementRunner;
  readonly statements: Statements;
  readonly appender: Appender;
  readonly maxPendingBytes: number;
  /** A change of the stream is done, or may have been done. */
  readonly onChange: (stream: string) => void;
  /** So many events were appended that are limited by count or bytes. */
  readonly onAppended: (stream: string, events: number) => void;
}

/** The calls on all streams; those on one stream in the order in which they were made, one statement at a time. */
export class StreamCalls {
  readonly #options: StreamCallsOptions;
  readonly #lanes = new Lanes<never>(0);
  /** The batches that have not been started and that nothing else was asked for after. */
  readonly #openBatches = new Map<string, Batch>();
  #pendingBytes = 0;

  constructor(options: StreamCallsOptions) {
    this.#options = options;
  }

  async append(stream: string, event: NewEvent, retention: Retention): Promise<Position> {
    const { maxPendingBytes } = this.#options;
    const cost = event.bytes + PENDING_EVENT_BYTES;
    if (this.#pendingBytes > 0 && this.#pendingBytes + cost > maxPendingBytes) {
      throw new EventStoreError(
        "overloaded",
        `${this.#pendingBytes} bytes wait for Postgres, and no more than ${maxPendingBytes} may, so that nothing was ` +
          `stored in ${JSON.stringify(stream)}. Wait for appends to be answered, or raise maxPendingBytes.`,
      );
    }
    this.#pendingBytes += cost;
    try {
      const batch = this.#batchFor(stream, event, retention);
      const index = batch.events.push(event) - 1;
      batch.bytes += event.bytes;
      const { epoch, seq } = await batch.stored;
      return { epoch, seq: seq - (batch.events.length - 1) + index };
    } finally {
      this.#pendingBytes -= cost;
    }
  }

  /** Sees what was asked for before; what is asked for after it need not wait for it. */
  async read(stream: string, after: number, limit: number): Promise<LogPage | undefined> {
    const { runner, statements } = this.#options;
    await this.#lanes.settledOf(stream);
    const rows = await runner.run(statements.read, [toText(stream), after, limit]);
    const [first] = rows;
    if (first === undefined) return undefined;
    const entries: LogEntry[] = [];
    for (const row of rows) {
      const seq = row.numberOrNull("seq");
      if (seq !== null) entries.push({ seq, payload: fromText(row.text("payload")) });
    }
    return {
      entries,
      head: { epoch: first.text("epoch"), seq: first.number("head") },
      floor: first.number("floor"),
      ended: first.boolean("ended"),
    };
  }

  end(stream: string): Promise<void> {
    return this.#change(stream, () => this.#options.appender.end(stream));
  }

  delete(stream: string): Promise<void> {
    return this.#change(stream, () => this.#options.appender.delete(stream));
  }

  /** Resolves when every call is done. None hangs, since each has a limit. */
  async settled(): Promise<void> {
    await this.#lanes.settled();
  }

  #change(stream: string, change: () => Promise<void>): Promise<void> {
    this.#openBatches.delete(stream);
    return this.#lanes.run(stream, () => this.#told(stream, change));
  }

  #batchFor(stream: string, event: NewEvent, retention: Retention): Batch {
    const open = this.#openBatches.get(stream);
    if (
      open !== undefined &&
      isSame(open.retention, retention) &&
      open.events.length < EVENTS_PER_STATEMENT &&
      open.bytes + event.bytes <= BYTES_PER_STATEMENT
    ) {
      return open;
    }
    const events: NewEvent[] = [];
    const stored = this.#lanes.run(stream, () => {
      if (this.#openBatches.get(stream) === batch) this.#openBatches.delete(stream);
      return this.#told(stream, () => this.#options.appender.append(stream, events, retention));
    });
    const batch: Batch = { events, retention, bytes: 0, stored };
    this.#openBatches.set(stream, batch);
    const isLimited = retention.maxEvents !== null || retention.maxBytes !== null;
    if (isLimited) {
      stored.then(
        () => this.#options.onAppended(stream, events.length),
        () => undefined,
      );
    }
    return batch;
  }

  async #told<T>(stream: string, change: () => Promise<T>): Promise<T> {
    try {
      return await change();
    } finally {
      this.#options.onChange(stream);
    }
  }
}

function isSame(one: Retention, other: Retention): boolean {
  return (
    one.maxEvents === other.maxEvents &&
    one.maxBytes === other.maxBytes &&
    one.ttlMs === other.ttlMs &&
    one.headTtlMs === other.headTtlMs
  );
}
