import { eventLogModelTest, eventLogSuite } from "@resumable-mcp/testing/event-log-suite";
import { afterAll, beforeAll, describe, it } from "vitest";
import { PostgresServer, whyNoPostgres } from "../../../test-support/postgres-server.js";
import { describeUnless } from "../../../test-support/skip.js";
import { repetitions } from "../../../test-support/repetitions.js";
import type { PostgresLogOptions } from "../src/logs/postgres/postgres-log.js";
import { type OpenDatabase, openPglite, openServer, postgresFixtures } from "./support/postgres-fixtures.js";

const why = whyNoPostgres();

interface Held {
  readonly name: string;
  readonly open: () => Promise<OpenDatabase>;
  readonly whyNot: string | undefined;
  readonly options: PostgresLogOptions;
  readonly scaledRuns: number;
}

/** The whole suite and the model, on one kind of database. */
function hold({ name, open, whyNot, options, scaledRuns }: Held): void {
  describeUnless(whyNot, name, () => {
    let database: OpenDatabase | undefined;
    beforeAll(async () => {
      database = await open();
    });
    afterAll(async () => database?.stop());

    const { create, capabilities } = postgresFixtures(() => {
      if (database === undefined) throw new Error("The database is not open.");
      return database;
    }, options);
    eventLogSuite({ describe, it }, { name, create, capabilities });
    eventLogModelTest(
      { describe, it: (title, body) => it(title, body, 1_200_000) },
      { name, create, capabilities, runs: repetitions({ full: 1000, scaled: scaledRuns }) },
    );
  });
}

const server = async () => openServer(await PostgresServer.start());

hold({
  name: "postgresLog with notifications",
  open: server,
  whyNot: why,
  options: { wakeUp: "notify" },
  scaledRuns: 6,
});
hold({
  name: "postgresLog with polling",
  open: server,
  whyNot: why,
  options: { wakeUp: "poll", pollIntervalMs: 50 },
  scaledRuns: 2,
});
hold({
  name: "postgresLog on PGlite",
  open: openPglite,
  whyNot: undefined,
  options: { pollIntervalMs: 50 },
  scaledRuns: 3,
});
