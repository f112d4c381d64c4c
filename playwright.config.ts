// Tells Playwright how to run the browser tests, and in which browser.
import { defineConfig } from "@playwright/test";

import { findSystemChromium } from "./scripts/find-browser.mjs";

const chromium = findSystemChromium();

/** Debian's Chromium is newer than Playwright and does not know all of its switches: it is told the few it needs. */
const SYSTEM_CHROMIUM_SWITCHES = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export default defineConfig({
  testDir: "e2e",
  outputDir: "test-results",
  fullyParallel: true,
  forbidOnly: process.env.CI !== undefined,
  retries: 0,
  // Three slow each other down so much on two cores that calls of a few seconds end before their test looks at them.
  workers: 2,
  repeatEach: process.env.RESUMABLE_MCP_FULL === "1" ? 5 : 1,
  timeout: 60_000,
  expect: { timeout: 20_000 },
  reporter: "list",
  use: {
    browserName: "chromium",
    // Recording takes as much of the processor as the tests themselves: by hand, `npm run e2e -- --trace on`.
    trace: "off",
    ...(chromium === undefined
      ? {}
      : { launchOptions: { executablePath: chromium, args: SYSTEM_CHROMIUM_SWITCHES } }),
  },
});
