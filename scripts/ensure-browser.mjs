// Finds a browser for the browser tests, or installs one.
import { existsSync } from "node:fs";

import { findSystemChromium } from "./find-browser.mjs";
import { outputOf, run, runTool } from "./run-command.mjs";

/**
 * Makes sure that there is a browser for the browser tests, and says which one and why.
 *
 * @returns {Promise<boolean>} whether there is one
 */
export async function ensureBrowser() {
  const system = findSystemChromium();
  if (system !== undefined) {
    console.log(`Browser tests use ${system}: it is already installed.`);
    return true;
  }
  if (process.env.CI !== undefined) {
    // Not imported before it is installed.
    const { chromium } = await import("@playwright/test");
    if (existsSync(chromium.executablePath())) return true;
    console.error(
      "In CI, there must be a Chromium before the tests begin: the system's, or Playwright's own.",
    );
    return false;
  }
  if (process.getuid?.() === 0 && outputOf("sh", ["-c", "command -v apt-get"]) !== undefined) {
    console.log("No Chromium found. Installing the distribution's with apt-get, as this is root.");
    const installed =
      (await run("apt-get", ["update"])) &&
      (await run("apt-get", ["install", "-y", "--no-install-recommends", "chromium"]));
    if (installed && findSystemChromium() !== undefined) return true;
    console.log("apt-get could not install Chromium.");
  }
  console.log("No Chromium of the system can be used. Installing Playwright's own.");
  if (await runTool("playwright", ["install", "chromium"])) return true;
  console.error(
    "There is no browser for the browser tests. Install Chromium, or name one in CHROMIUM_PATH and run again.",
  );
  return false;
}
