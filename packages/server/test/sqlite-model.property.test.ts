import { eventLogModelTest } from "@resumable-mcp/testing/event-log-suite";
import { describe, it } from "vitest";
import { repetitions } from "../../../test-support/repetitions.js";
import { sqliteCapabilities, sqliteFixture } from "./support/sqlite-fixtures.js";
import { sqliteLibraries } from "./support/sqlite-libraries.js";

/** Each sequence makes, opens and removes a file. */
const TIMEOUT_MS = 600_000;

describe("random sequences", () => {
  for (const [name, library] of Object.entries(sqliteLibraries())) {
    eventLogModelTest(
      { describe, it: (name, body) => it(name, body, TIMEOUT_MS) },
      {
        name: `sqliteLog on ${name}`,
        runs: repetitions({ full: 1000, scaled: 15 }),
        create: () => sqliteFixture(library),
        capabilities: sqliteCapabilities,
      },
    );
  }
});
