// Runs commands and the tools of node_modules in the folder of the repository.
import { spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of the repository: commands run in it, wherever the script was called from. */
export const ROOT = fileURLToPath(new URL("..", import.meta.url));

/**
 * Runs a command to its end and passes its output on. A command never reads from the terminal, so that nothing can
 * wait for an answer where nobody is.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {Record<string, string | undefined>} environment added to this process's own
 * @returns {Promise<boolean>} whether it ended well
 */
export function run(command, args, environment = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: ROOT,
      env: { ...process.env, ...environment },
      stdio: ["ignore", "inherit", "inherit"],
      // npm and npx are .cmd files there, which only a shell can start.
      shell: process.platform === "win32",
    });
    child.once("error", (error) => {
      console.error(`${command} could not be started: ${error.message}`);
      resolve(false);
    });
    child.once("close", (code) => resolve(code === 0));
  });
}

/** A tool of node_modules, started without npx, which takes longer to start than some tools to run. @param {string} tool */
const pathOf = (tool) => join(ROOT, "node_modules", ".bin", tool);

/**
 * Runs a tool of node_modules.
 *
 * @param {string} tool
 * @param {readonly string[]} args
 * @param {Record<string, string | undefined>} environment
 */
export function runTool(tool, args, environment = {}) {
  return run(pathOf(tool), args, environment);
}

/**
 * Runs a tool of node_modules that has much to say when all is well. What it says is shown only when it fails.
 *
 * @param {string} tool
 * @param {readonly string[]} args
 * @returns {boolean} whether it ended well
 */
export function runToolQuietly(tool, args) {
  const { status, stdout, stderr } = spawnSync(pathOf(tool), args, {
    cwd: ROOT,
    encoding: "utf8",
    shell: process.platform === "win32",
  });
  if (status !== 0) console.error(`${stdout}${stderr}`);
  return status === 0;
}

/**
 * @param {string} command
 * @param {readonly string[]} args
 * @returns {string | undefined} what it printed, without the space around; `undefined` when it failed
 */
export function outputOf(command, args) {
  const { status, stdout } = spawnSync(command, args, { cwd: ROOT, encoding: "utf8" });
  return status === 0 ? stdout.trim() : undefined;
}
