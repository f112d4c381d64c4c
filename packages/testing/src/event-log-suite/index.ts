// Runs the tests that every event log must pass, under any test runner.

import { DEFAULT_MAX_PAYLOAD_BYTES } from "@resumable-mcp/server";
import { concurrencyTests, severalProcessesTests } from "./concurrency.js";
import {
  type EventLogFixture,
  type EventLogSuiteOptions,
  type LogTest,
  realTime,
  type SuiteRunner,
} from "./fixture.js";
import { epochTests, floorAndHeadTests, flushTests } from "./head.js";
import { isolationTests } from "./isolation.js";
import { closingTests, deletionTests, endingTests } from "./lifecycle.js";
import { fullQueueTests, largePayloadTests, limitTests } from "./limits.js";
import { orderTests, pagingTests } from "./order.js";
import { reopeningTests } from "./reopening.js";
import { retentionByAgeTests, retentionByBytesTests, retentionByCountTests } from "./retention.js";
import { wakeUpTests } from "./wake-ups.js";

export type {
  EventLogCapabilities,
  EventLogFixture,
  EventLogSuiteOptions,
  SuiteRunner,
  SuiteTime,
} from "./fixture.js";
export { eventLogModelTest } from "./model-test.js";
export type { EventLogModelOptions } from "./model-test.js";

/**
 * The tests that every event log must pass, for any runner that has `describe` and `it`.
 *
 * @example
 * ```ts
 * import { describe, it } from "vitest";
 * eventLogSuite({ describe, it }, { name: "myLog", create: () => ({ log: myLog() }) });
 * ```
 */
export function eventLogSuite<Fixture extends EventLogFixture>(
  runner: SuiteRunner,
  options: EventLogSuiteOptions<Fixture>,
): void {
  const { capabilities = {}, maxPayloadBytes = DEFAULT_MAX_PAYLOAD_BYTES } = options;
  const time = capabilities.time ?? realTime;
  const cannot = (capability: string) => new Error(`${options.name} was not declared to have ${capability}.`);
  const test: LogTest = (name, body) => {
    runner.it(name, async () => {
      const fixture = await options.create();
      try {
        await body({
          log: fixture.log,
          unitMs: time.unitMs,
          maxPayloadBytes,
          elapse: (ms) => time.elapse(fixture, ms),
          reopen: async () => {
            if (capabilities.reopen === undefined) throw cannot("reopen");
            return capabilities.reopen(fixture);
          },
          another: async () => {
            if (capabilities.another === undefined) throw cannot("another");
            return capabilities.another(fixture);
          },
          bounded: async (maxPendingBytes) => {
            if (capabilities.bounded === undefined) throw cannot("bounded");
            return capabilities.bounded(fixture, maxPendingBytes);
          },
          flush: async () => {
            if (capabilities.flush === undefined) throw cannot("flush");
            return capabilities.flush(fixture);
          },
        });
      } finally {
        await fixture.dispose?.();
      }
    });
  };
  const behaviours = {
    order: orderTests,
    concurrency: concurrencyTests,
    paging: pagingTests,
    "retention by count": retentionByCountTests,
    "retention by bytes": retentionByBytesTests,
    "retention by age": retentionByAgeTests,
    "floor and head": floorAndHeadTests,
    epochs: epochTests,
    isolation: isolationTests,
    "wake-ups": wakeUpTests,
    end: endingTests,
    delete: deletionTests,
    close: closingTests,
    "large payloads": largePayloadTests,
    limits: limitTests,
    ...(capabilities.reopen === undefined ? {} : { reopening: reopeningTests }),
    ...(capabilities.another === undefined ? {} : { "several processes": severalProcessesTests }),
    ...(capabilities.bounded === undefined ? {} : { "a full queue": fullQueueTests }),
    ...(capabilities.flush === undefined ? {} : { flush: flushTests }),
  };
  runner.describe(`${options.name}, an event log`, () => {
    for (const [behaviour, register] of Object.entries(behaviours)) {
      runner.describe(behaviour, () => register(test));
    }
  });
}
