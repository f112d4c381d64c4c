import { eventLogModelTest } from "@resumable-mcp/testing/event-log-suite";
import { describe, it } from "vitest";
import { repetitions } from "../../../test-support/repetitions.js";
import { memoryLog } from "../src/logs/memory.js";
import {
  keyValueBackends,
  keyValueLogCapabilities,
  keyValueLogFixture,
} from "./support/key-value-fixtures.js";

const MINUTE_MS = 60_000;

describe("random sequences", () => {
  eventLogModelTest(
    { describe, it },
    {
      name: "memoryLog",
      runs: repetitions({ full: 1000, scaled: 60 }),
      create: () => {
        const clock = { ms: 0 };
        return { clock, log: memoryLog({ now: () => clock.ms }) };
      },
      capabilities: {
        time: {
          unitMs: MINUTE_MS,
          elapse: async ({ clock }, ms) => {
            clock.ms += ms;
          },
        },
      },
    },
  );

  for (const [name, create] of Object.entries(keyValueBackends)) {
    eventLogModelTest(
      { describe, it },
      {
        name: `keyValueLog on ${name}`,
        // Files are a thousand times slower, and the adapter is the same as in memory.
        runs: repetitions(name.includes("files") ? { full: 50, scaled: 2 } : { full: 1000, scaled: 30 }),
        create: () => keyValueLogFixture(create),
        capabilities: keyValueLogCapabilities,
      },
    );
  }
});
