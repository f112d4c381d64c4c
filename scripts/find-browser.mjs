// Finds the Chromium that is installed on this machine, if there is one.
import { existsSync } from "node:fs";

import { outputOf } from "./run-command.mjs";

const SYSTEM_NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/**
 * The system's Chromium: what CHROMIUM_PATH names, else the first one on the PATH.
 *
 * @returns {string | undefined} the path of its executable; `undefined` when there is none, and Playwright's own
 * has to do
 */
export function findSystemChromium() {
  const named = process.env.CHROMIUM_PATH;
  if (named !== undefined && named !== "") {
    if (!existsSync(named)) throw new Error(`CHROMIUM_PATH names ${named}, which does not exist.`);
    return named;
  }
  // Windows and macOS install it off the PATH; there Playwright's own is the simpler way.
  if (process.platform !== "linux") return undefined;
  for (const name of SYSTEM_NAMES) {
    const path = outputOf("sh", ["-c", `command -v ${name}`]);
    if (path !== undefined && path !== "") return path;
  }
  return undefined;
}
