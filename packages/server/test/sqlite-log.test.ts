import { eventLogSuite } from "@resumable-mcp/testing/event-log-suite";
import { describe, it } from "vitest";
import { sqliteCapabilities, sqliteFixture, sqliteLibraries } from "./support/sqlite-fixtures.js";

for (const [name, library] of Object.entries(sqliteLibraries())) {
  eventLogSuite(
    { describe, it },
    {
      name: `sqliteLog on ${name}`,
      create: () => sqliteFixture(library),
      capabilities: sqliteCapabilities,
    },
  );
}
