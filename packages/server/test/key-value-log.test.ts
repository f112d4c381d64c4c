import { eventLogSuite } from "@resumable-mcp/testing/event-log-suite";
import { describe, it } from "vitest";
import {
  keyValueBackends,
  keyValueLogCapabilities,
  keyValueLogFixture,
} from "./support/key-value-fixtures.js";

for (const [name, create] of Object.entries(keyValueBackends)) {
  eventLogSuite(
    { describe, it },
    {
      name: `keyValueLog on ${name}`,
      create: () => keyValueLogFixture(create),
      capabilities: keyValueLogCapabilities,
    },
  );
}
