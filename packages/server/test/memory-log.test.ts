import { eventLogSuite } from "@resumable-mcp/testing/event-log-suite";
import { describe, it } from "vitest";
import { memoryLog } from "../src/logs/memory.js";

const MINUTE_MS = 60_000;

function onFakeClock() {
  const clock = { ms: 1_000_000 };
  return { clock, log: memoryLog({ now: () => clock.ms }) };
}

eventLogSuite(
  { describe, it },
  {
    name: "memoryLog",
    create: onFakeClock,
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
