// Opens a page in the person's browser, where there is a person.
import { spawn } from "node:child_process";

/** Opens the person's browser where there is a person and a browser; else does nothing. @param {string} url */
export function openBrowser(url) {
  if (!process.stdout.isTTY || process.env.CI !== undefined) return;
  const opener = openerOf(process.platform);
  if (opener === undefined) return;
  const [command, ...args] = [...opener, url];
  const child = spawn(command, args, { stdio: "ignore", detached: true });
  // The address was printed too: a browser that does not open is no failure.
  child.once("error", () => {});
  child.unref();
}

/** @param {NodeJS.Platform} platform @returns {readonly string[] | undefined} */
function openerOf(platform) {
  if (platform === "darwin") return ["open"];
  if (platform === "win32") return ["cmd", "/c", "start", ""];
  const hasDisplay = process.env.DISPLAY !== undefined || process.env.WAYLAND_DISPLAY !== undefined;
  return hasDisplay ? ["xdg-open"] : undefined;
}
