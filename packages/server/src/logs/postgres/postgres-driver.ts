// Appends to streams, reads, ends and deletes them on Postgres, by statements that are safe to run twice.
import type { CheckedEvent, LogDriver } from "../../log/checked-log.js";
import { endedError, EventStoreError } from "../../log/errors.js";
import type { LogEntry, LogPage, Position, Retention } from "../../log/event-log.js";
import { Lanes } from "../../log/lanes.js";
import { randomId } from "../../log/text.js";
import type { Row } from "./pool.js";
import type { Deadline, StatementRunner } from "./runner.js";
import { fromText, type Statements, toText } from "./statements.js";
import type { Sweeper } from "./sweeper.js";
import type { PostgresWakeUps } from "./wake-ups.js";

export interface PostgresDriverParts {
  readonly runner: StatementRunner;
  readonly statements: Statements;
  readonly wakeUps: PostgresWakeUps;
  readonly sweeper: Sweeper;
  readonly maxPendingBytes: number;
}

/** The changes of one stream run one after the other, each numbered so that the server recognises a repeated one. */
export class PostgresDriver implements LogDriver {
  readonly #runner: StatementRunner;
  readonly #statements: Statements;
  readonly #wakeUps: PostgresWakeUps;
  readonly #sweeper: Sweeper;
  readonly #lanes: Lanes<never>;
  /** Identifies this log among all that ever append. */
  readonly #writer = randomId();
  #calls = 0;
  #closed: Promise<void> | undefined;

  constructor({ runner, statements, wakeUps, sweeper, maxPendingBytes }: PostgresDriverParts) {
    this.#runner = runner;
    this.#statements = statements;
    this.#wakeUps = wakeUps;
    this.#sweeper = sweeper;
    this.#lanes = new Lanes({
      storage: "Postgres",
      maxPendingBytes,
      store: (lane, events, retention) => this.#store(lane.name, events, retention),
    });
  }

  append(stream: string, event: CheckedEvent, retention: Retention): Promise<Position> {
    return this.#lanes.append(stream, event, retention);
  }

  /** Waits for the changes that were asked for before it; later calls do not wait for it. */
  async read(stream: string, after: number, limit: number): Promise<LogPage | undefined> {
    await this.#lanes.settledOf(stream);
    const rows = await this.#runner.run(this.#statements.read, [toText(stream), after, limit]);
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
    return this.#wakeUps.subscribe(stream, wake);
  }

  end(stream: string): Promise<void> {
    return this.#change(stream, async () => {
      const call = (this.#calls += 1);
      await this.#runner.run(this.#statements.end, [toText(stream), this.#writer, call]);
    });
  }

  delete(stream: string): Promise<void> {
    return this.#change(stream, async () => {
      const name = toText(stream);
      const deadline = this.#runner.deadline();
      const [found] = await this.#runner.run(this.#statements.epoch, [name], deadline);
      if (found === undefined) return;
      await this.#runner.run(this.#statements.delete, [name, found.text("epoch")], deadline);
    });
  }

  /** Waits for everything that was asked for before. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #store(stream: string, events: readonly CheckedEvent[], retention: Retention): Promise<Position> {
    const position = await this.#thenWake(stream, () => this.#insert(stream, events, retention));
    const isLimited = retention.maxEvents !== null || retention.maxBytes !== null;
    if (isLimited) this.#sweeper.appended(stream, events.length);
    return position;
  }

  /**
   * Stores all of them or none.
   *
   * @returns the position of the last one.
   */
  async #insert(stream: string, events: readonly CheckedEvent[], retention: Retention): Promise<Position> {
    const name = toText(stream);
    const offsets: number[] = [];
    let bytes = 0;
    for (const event of events) {
      offsets.push(bytes);
      bytes += event.bytes;
    }
    const call = (this.#calls += 1);
    const params = [
      name,
      randomId(),
      events.map(({ payload }) => toText(payload)),
      offsets,
      bytes,
      toLimit(retention.maxEvents),
      toLimit(retention.maxBytes),
      toLimit(retention.ttlMs),
      toLimit(retention.headTtlMs),
      this.#writer,
      call,
    ];
    const deadline = this.#runner.deadline();
    for (;;) {
      const [stored] = await this.#runner.run(this.#statements.append, params, deadline);
      if (stored !== undefined) return { epoch: stored.text("epoch"), seq: stored.number("head") };
      const [state] = await this.#runner.run(this.#statements.appendState, [name, this.#writer], deadline);
      // The stream was deleted just now, or is about to be created, so that the next attempt succeeds.
      if (state === undefined) continue;
      const position = this.#storedBefore(stream, state, call);
      if (position !== undefined) return position;
      await this.#makeWay(stream, name, state, deadline);
    }
  }

  /** The position at which an earlier attempt of the same call, whose answer was lost, has stored the events. */
  #storedBefore(stream: string, state: Row, call: number): Position | undefined {
    const lastCall = state.number("last_call");
    if (lastCall < call) return undefined;
    if (lastCall === call) return { epoch: state.text("epoch"), seq: state.number("last_head") };
    throw new EventStoreError(
      "backend",
      `An append to ${JSON.stringify(stream)} came too late: a later one of this log is stored already.`,
    );
  }

  async #makeWay(stream: string, name: string, state: Row, deadline: Deadline): Promise<void> {
    if (state.boolean("forgotten")) await this.#runner.run(this.#statements.forget, [name], deadline);
    else if (state.boolean("ended")) throw endedError(stream);
  }

  #change(stream: string, change: () => Promise<void>): Promise<void> {
    return this.#lanes.change(stream, () => this.#thenWake(stream, change));
  }

  /** Wakes after a failure too, since the change may have been made all the same. */
  async #thenWake<T>(stream: string, change: () => Promise<T>): Promise<T> {
    try {
      return await change();
    } finally {
      this.#wakeUps.changed(stream);
    }
  }

  async #close(): Promise<void> {
    // None of this hangs, since every statement has a time limit.
    await Promise.all([this.#lanes.settled(), this.#wakeUps.close(), this.#sweeper.stop()]);
    await this.#wakeUps.told();
  }
}

/**
 * A limit as a 64-bit number; `null` (no limit) when it is too large to be reached. Times and counts are whole numbers
 * here.
 */
function toLimit(limit: number | null): number | null {
  return limit === null || limit >= Number.MAX_SAFE_INTEGER ? null : Math.floor(limit);
}
