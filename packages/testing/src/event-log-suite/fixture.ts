// Defines what the suite's tests are given: a fresh log with its capabilities, and helpers to fill and read it.

import assert from "node:assert/strict";
import type { EventLog, LogPage, Position, Retention } from "@resumable-mcp/server";

/** What the suite needs of a test runner: vitest, mocha, jasmine and `node:test` all have it. */
export interface SuiteRunner {
  describe(name: string, body: () => void): unknown;
  it(name: string, body: () => Promise<void>): unknown;
}

/** A log on empty storage, for one test. */
export interface EventLogFixture {
  readonly log: EventLog;
  /** Frees what the fixture holds. The log may have been closed by the test. */
  dispose?(): Promise<void>;
}

/** How time passes for a log. */
export interface SuiteTime<Fixture extends EventLogFixture> {
  /**
   * The tests keep events for a few of these. With a clock of the log's own, long enough that no real expiry of the
   * storage comes first; in real time, some ten times what an operation may take on a busy machine.
   */
  readonly unitMs: number;
  /** Lets so much time pass for the log and its storage. */
  elapse(fixture: Fixture, ms: number): Promise<void>;
}

/** What not every log can do. What is left out is not tested; everything else is. */
export interface EventLogCapabilities<Fixture extends EventLogFixture = EventLogFixture> {
  /** For logs whose clock can be set. @defaultValue real time, in units of one second */
  readonly time?: SuiteTime<Fixture>;
  /** For logs that outlive their process: the log that the next process would open, after `log.close()`. */
  reopen?(fixture: Fixture): EventLog | Promise<EventLog>;
  /** For logs that several processes may append to at once: another process's log on the same storage. */
  another?(fixture: Fixture): EventLog | Promise<EventLog>;
  /** For logs whose appends wait for their storage: a log on the same storage, with this option `maxPendingBytes`. */
  bounded?(fixture: Fixture, maxPendingBytes: number): EventLog | Promise<EventLog>;
  /** For logs whose storage others can empty: removes everything at once, behind the log's back. */
  flush?(fixture: Fixture): void | Promise<void>;
}

export interface EventLogSuiteOptions<Fixture extends EventLogFixture = EventLogFixture> {
  /** The log's name, for the tests' names. */
  readonly name: string;
  /** Makes a log on empty storage. Called once per test. */
  create(): Fixture | Promise<Fixture>;
  readonly capabilities?: EventLogCapabilities<Fixture>;
  /** The largest payload that the logs of `create` take, in bytes. @defaultValue 16 MiB, as every log's */
  readonly maxPayloadBytes?: number;
}

/** One test's surroundings, with the capabilities bound to its fixture. */
export interface SuiteContext {
  readonly log: EventLog;
  readonly unitMs: number;
  readonly maxPayloadBytes: number;
  readonly elapse: (ms: number) => Promise<void>;
  readonly reopen: () => Promise<EventLog>;
  readonly another: () => Promise<EventLog>;
  readonly bounded: (maxPendingBytes: number) => Promise<EventLog>;
  readonly flush: () => Promise<void>;
}

/** Registers one test with a fresh log. */
export type LogTest = (name: string, body: (context: SuiteContext) => Promise<void>) => void;

/** No limits but those given. */
export function keep(limits: Partial<Retention> = {}): Retention {
  return { maxEvents: null, maxBytes: null, ttlMs: null, headTtlMs: null, ...limits };
}

/** Appends the payloads one after the other, each awaited. */
export async function appendAll(
  log: EventLog,
  stream: string,
  payloads: readonly string[],
  retention = keep(),
): Promise<Position[]> {
  const positions: Position[] = [];
  for (const payload of payloads) positions.push(await log.append(stream, payload, retention));
  return positions;
}

/** `count` payloads that tell where they belong. */
export function numbered(count: number, prefix = "event "): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${index + 1}`);
}

/** Reads a stream that must be there. */
export async function readPage(log: EventLog, stream: string, after = 0, limit = 10_000): Promise<LogPage> {
  const page = await log.read(stream, after, limit);
  assert.ok(page !== undefined, `the log knows no stream ${JSON.stringify(stream.slice(0, 50))}`);
  return page;
}

export const payloadsOf = (page: LogPage): string[] => page.entries.map(({ payload }) => payload);
export const seqsOf = (page: LogPage): number[] => page.entries.map(({ seq }) => seq);

/** The whole numbers from one to another, both included. */
export function range(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => from + index);
}

/** Asserts that a call fails with an `EventStoreError` of this code, whether it throws or rejects. */
export async function assertFailsWith(code: string, call: () => unknown): Promise<void> {
  await assert.rejects(
    async () => {
      await call();
    },
    (error: unknown) => {
      assert.ok(error instanceof Error && "code" in error, `not an EventStoreError: ${String(error)}`);
      assert.equal(error.code, code, error.message);
      return true;
    },
  );
}

/** For logs whose clock cannot be set: the tests wait. */
export const realTime: SuiteTime<EventLogFixture> = {
  unitMs: 1000,
  elapse: (_, ms) => new Promise((resolve) => setTimeout(resolve, ms)),
};
