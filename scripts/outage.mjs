// A real outage, as long as you like: prints what happens to one call of an app that follows the README's example.
import { parseArgs } from "node:util";

import { fail } from "./fail.mjs";
import { build, install, load } from "./run-typescript.mjs";

const USAGE = "npm run outage -- [--minutes <from 0.1 to 25, 10 unless given>]";

function minutesGiven() {
  try {
    const { values } = parseArgs({ options: { minutes: { type: "string", default: "10" } } });
    return Number(values.minutes);
  } catch (error) {
    return fail(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
  }
}

const minutes = minutesGiven();
// The transport gives a call up after half an hour without a connection.
if (!(minutes >= 0.1 && minutes <= 25)) fail(USAGE);
await install();
await build("packages/server", "packages/client", "packages/testing");
const { runOutage } = await load("test-support/outage.ts");
process.exitCode = (await runOutage(minutes)) ? 0 : 1;
