import { eventLogSuite } from "@resumable-mcp/testing/event-log-suite";
import { describe, it } from "vitest";
import { sqliteCapabilities, sqliteFixture } from "./support/sqlite-fixtures.js";
import { sqliteLibraries } from "./support/sqlite-libraries.js";

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
