// The Postgres driver: stores, reads, ends and deletes streams, the calls on one stream in the order of their making.
import type { CheckedEvent, LogDriver } from "../../log/checked-log.js";
import { EventStoreError } from "../../log/errors.js";
import type { LogEntry, LogPage, Position, Retention } from "../../log/event-log.js";
import { Lanes } from "../../log/lanes.js";
import type { StatementRunner } from "./runner.js";
import { fromText, type Statements, toText } from "./statements.js";
import type { Sweeper } from "./sweeper.js";
import type { PostgresWakeUps } from "./wake-ups.js";
import type { StreamWriter } from "./writer.js";

/** Appends that wait for the one before them go together in one statement, up to these limits. */
const EVENTS_PER_STATEMENT = 256;
const BYTES_PER_STATEMENT = 1024 * 1024;
/** What an event that waits takes beside its payload, in bytes. */
const PENDING_EVENT_BYTES = 500;

/** Appends of one stream that are stored together. */
interface Batch {
  readonly events: CheckedEvent[];
  readonly retention: Retention;
  bytes: number;
  /** The position of the last event. */
  readonly stored: Promise<Position>;
}

export interface PostgresDriverParts {
  readonly runner: StatementRunner;
  readonly statements: Statements;
  readonly writer: StreamWriter;
  readonly wakeUps: PostgresWakeUps;
  readonly sweeper: Sweeper;
  readonly maxPendingBytes: number;
}

export class PostgresDriver implements LogDriver {
  readonly #parts: PostgresDriverParts;
  /** Changes of one stream run one after the other. */
  readonly #lanes = new Lanes<never>(0);
  /** The batches that have not been started and that nothing else was asked for after. */
  readonly #openBatches = new Map<string, Batch>();
  #pendingBytes = 0;
  #closed: Promise<void> | undefined;

  constructor(parts: PostgresDriverParts) {
    this.#parts = parts;
  }

  async append(stream: string, event: CheckedEvent, retention: Retention): Promise<Position> {
    const cost = event.bytes + PENDING_EVENT_BYTES;
    this.#checkPending(stream, cost);
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
    const { runner, statements } = this.#parts;
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

  subscribe(stream: string, wake: () => void): () => void {
    return this.#parts.wakeUps.subscribe(stream, wake);
  }

  end(stream: string): Promise<void> {
    return this.#change(stream, () => this.#parts.writer.end(stream));
  }

  delete(stream: string): Promise<void> {
    return this.#change(stream, () => this.#parts.writer.delete(stream));
  }

  /** What was asked for before is still done, each within its time. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  #checkPending(stream: string, cost: number): void {
    const { maxPendingBytes } = this.#parts;
    if (this.#pendingBytes === 0 || this.#pendingBytes + cost <= maxPendingBytes) return;
    throw new EventStoreError(
      "overloaded",
      `${this.#pendingBytes} bytes wait for Postgres, and no more than ${maxPendingBytes} may, so that nothing was ` +
        `stored in ${JSON.stringify(stream)}. Wait for appends to be answered, or raise maxPendingBytes.`,
    );
  }

  #batchFor(stream: string, event: CheckedEvent, retention: Retention): Batch {
    const open = this.#openBatches.get(stream);
    if (
      open !== undefined &&
      isSame(open.retention, retention) &&
      open.events.length < EVENTS_PER_STATEMENT &&
      open.bytes + event.bytes <= BYTES_PER_STATEMENT
    ) {
      return open;
    }
    const events: CheckedEvent[] = [];
    const stored = this.#lanes.run(stream, () => {
      if (this.#openBatches.get(stream) === batch) this.#openBatches.delete(stream);
      return this.#store(stream, events, retention);
    });
    const batch: Batch = { events, retention, bytes: 0, stored };
    this.#openBatches.set(stream, batch);
    return batch;
  }

  async #store(stream: string, events: readonly CheckedEvent[], retention: Retention): Promise<Position> {
    const { writer, sweeper } = this.#parts;
    const position = await this.#thenWake(stream, () => writer.append(stream, events, retention));
    const isLimited = retention.maxEvents !== null || retention.maxBytes !== null;
    if (isLimited) sweeper.appended(stream, events.length);
    return position;
  }

  /** Anything but an append: what is appended after it must not go together with what was appended before it. */
  #change(stream: string, change: () => Promise<void>): Promise<void> {
    this.#openBatches.delete(stream);
    return this.#lanes.run(stream, () => this.#thenWake(stream, change));
  }

  /** Wakes after a failure too, since the change may have been made all the same. */
  async #thenWake<T>(stream: string, change: () => Promise<T>): Promise<T> {
    try {
      return await change();
    } finally {
      this.#parts.wakeUps.changed(stream);
    }
  }

  async #close(): Promise<void> {
    const { wakeUps, sweeper } = this.#parts;
    // No call hangs, since each has a limit.
    await Promise.all([this.#lanes.settled(), wakeUps.close(), sweeper.stop()]);
    await wakeUps.told();
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
