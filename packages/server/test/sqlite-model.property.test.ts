import { eventLogModelTest } from "@resumable-mcp/testing/event-log-suite";
import { describe, it } from "vitest";
import { repetitions } from "../../../test-support/repetitions.js";
import { sqliteCapabilities, sqliteFixture } from "./support/sqlite-fixtures.js";
import { sqliteLibraries } from "./support/sqlite-libraries.js";

describe("random sequences", () => {
  for (const [name, library] of Object.entries(sqliteLibraries())) {
    eventLogModelTest(
      { describe, it },
      {
        name: `sqliteLog on ${name}`,
        runs: repetitions({ full: 1000, scaled: 50 }),
        create: () => sqliteFixture(library),
        capabilities: sqliteCapabilities,
      },
    );
  }
});
