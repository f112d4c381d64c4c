// Changes streams by statements that may run twice: appends batches of events, ends a stream, deletes it.
import type { CheckedEvent } from "../../log/checked-log.js";
import { EventStoreError, endedError } from "../../log/errors.js";
import type { Position, Retention } from "../../log/event-log.js";
import { randomId } from "../../log/text.js";
import type { Row } from "./pool.js";
import type { Deadline, StatementRunner } from "./runner.js";
import { type Statements, toText } from "./statements.js";

/** Each change has a number by which the stream knows it when it comes a second time. */
export class StreamWriter {
  readonly #runner: StatementRunner;
  readonly #statements: Statements;
  /** Unique among all who ever append. */
  readonly #writer = randomId();
  #calls = 0;

  constructor(runner: StatementRunner, statements: Statements) {
    this.#runner = runner;
    this.#statements = statements;
  }

  /**
   * Appends all of them or none.
   *
   * @returns the position of the last one.
   */
  async append(stream: string, events: readonly CheckedEvent[], retention: Retention): Promise<Position> {
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
      // Deleted just now, or about to be made: the next attempt finds it so.
      if (state === undefined) continue;
      const position = this.#storedBefore(stream, state, call);
      if (position !== undefined) return position;
      await this.#makeWay(stream, name, state, deadline);
    }
  }

  async end(stream: string): Promise<void> {
    const call = (this.#calls += 1);
    await this.#runner.run(this.#statements.end, [toText(stream), this.#writer, call]);
  }

  async delete(stream: string): Promise<void> {
    const name = toText(stream);
    const deadline = this.#runner.deadline();
    const [found] = await this.#runner.run(this.#statements.epoch, [name], deadline);
    if (found === undefined) return;
    await this.#runner.run(this.#statements.delete, [name, found.text("epoch")], deadline);
  }

  /** Where an attempt of the same call has stored it, whose answer was lost. */
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
}

/** A limit as a 64-bit number; one that cannot be reached is none. Times and counts are whole numbers here. */
function toLimit(limit: number | null): number | null {
  return limit === null || limit >= Number.MAX_SAFE_INTEGER ? null : Math.floor(limit);
}
