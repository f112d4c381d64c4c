// Defines the calls of a random sequence, each made on the log and on the model, with the answers compared.

import assert from "node:assert/strict";
import type { EventLog, LogPage, Retention } from "@resumable-mcp/server";
import type { AsyncCommand } from "fast-check";
import { type ExpectedPage, ModelLog } from "./model.js";

/** The log under test, and what happens around it. */
export interface RealLog {
  log: EventLog;
  elapse(ms: number): Promise<void>;
  reopen(): Promise<EventLog>;
}

export class Model {
  readonly log = new ModelLog();
  /** Every epoch that was ever seen: none may come back. */
  readonly epochs = new Set<string>();
}

export type LogCommand = AsyncCommand<Model, RealLog>;

interface Append {
  readonly kind: "append";
  readonly stream: string;
  readonly payload: string;
  readonly retention: Retention;
  /** So many times the same, without waiting. */
  readonly times: number;
}

interface EndOrDelete {
  readonly kind: "end" | "delete";
  readonly stream: string;
}

/** A call that changes a stream. */
export type Change = Append | EndOrDelete;

/** Calls made one after the other without waiting for any: they must take effect in this order. */
export class ChangesCommand implements LogCommand {
  readonly #changes: readonly Change[];

  constructor(changes: readonly Change[]) {
    this.#changes = changes;
  }

  check(): boolean {
    return true;
  }

  async run(model: Model, real: RealLog): Promise<void> {
    const checks: Promise<void>[] = [];
    for (const change of this.#changes) {
      if (change.kind === "append") {
        for (let time = 0; time < change.times; time += 1) {
          checks.push(checkedAppend(model, real.log, change.stream, change.payload, change.retention));
        }
      } else {
        model.log[change.kind](change.stream);
        checks.push(real.log[change.kind](change.stream));
      }
    }
    await Promise.all(checks);
  }

  toString(): string {
    return this.#changes.map(describe).join(" + ");
  }
}

export class ReadCommand implements LogCommand {
  readonly #stream: string;
  readonly #after: number;
  readonly #limit: number;

  constructor(stream: string, after: number, limit: number) {
    this.#stream = stream;
    this.#after = after;
    this.#limit = limit;
  }

  check(): boolean {
    return true;
  }

  async run(model: Model, real: RealLog): Promise<void> {
    const page = await real.log.read(this.#stream, this.#after, this.#limit);
    checkPage(page, model.log.read(this.#stream, this.#after, this.#limit));
  }

  toString(): string {
    return `read(${JSON.stringify(this.#stream)}, ${this.#after}, ${this.#limit})`;
  }
}

export class ElapseCommand implements LogCommand {
  readonly #ms: number;

  constructor(ms: number) {
    this.#ms = ms;
  }

  check(): boolean {
    return true;
  }

  async run(model: Model, real: RealLog): Promise<void> {
    model.log.now += this.#ms;
    await real.elapse(this.#ms);
  }

  toString(): string {
    return `elapse(${this.#ms})`;
  }
}

export class ReopenCommand implements LogCommand {
  check(): boolean {
    return true;
  }

  async run(_: Model, real: RealLog): Promise<void> {
    await real.log.close();
    real.log = await real.reopen();
  }

  toString(): string {
    return "reopen()";
  }
}

async function checkedAppend(
  model: Model,
  log: EventLog,
  name: string,
  payload: string,
  wanted: Retention,
): Promise<void> {
  const retention = model.log.withoutLongerTtl(name, wanted);
  const expected = model.log.append(name, payload, retention);
  const appended = log.append(name, payload, retention);
  if (expected === undefined) {
    await assert.rejects(appended, { code: "ended" });
    return;
  }
  const { epoch, seq } = await appended;
  assert.equal(seq, expected.seq, "seq of an append");
  if (expected.stream.epoch === undefined) {
    assert.ok(!model.epochs.has(epoch), `epoch ${epoch} came back`);
    model.epochs.add(epoch);
    expected.stream.epoch = epoch;
  }
  assert.equal(epoch, expected.stream.epoch, "epoch of an append");
}

function checkPage(page: LogPage | undefined, expected: ExpectedPage | undefined): void {
  const actual = page && {
    epoch: page.head.epoch,
    head: page.head.seq,
    floor: page.floor,
    ended: page.ended,
    entries: page.entries,
  };
  assert.deepEqual(actual, expected);
}

function describe(change: Change): string {
  const stream = JSON.stringify(change.stream);
  if (change.kind !== "append") return `${change.kind}(${stream})`;
  const { payload, retention, times } = change;
  return `${times} × append(${stream}, ${JSON.stringify(payload)}, ${JSON.stringify(retention)})`;
}
