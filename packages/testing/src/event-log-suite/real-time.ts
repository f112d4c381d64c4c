import type { EventLogFixture, SuiteTime } from "./fixture.js";

/** For logs whose clock cannot be set: the tests wait. */
export const realTime: SuiteTime<EventLogFixture> = {
  unitMs: 1000,
  elapse: (_, ms) => new Promise((resolve) => setTimeout(resolve, ms)),
};
