// `npm run demo`: builds the packages, starts the demo, and opens its page.
import { parseArgs } from "node:util";
import { join } from "node:path";

import { fail } from "./fail.mjs";
import { openBrowser } from "./open-browser.mjs";
import { ROOT } from "./run-command.mjs";
import { build, install, load } from "./run-typescript.mjs";

const DEFAULT_PORT = 5173;

const HELP = `npm run demo -- [options]
  --port <port>       the page's port (DEMO_PORT); ${DEFAULT_PORT} unless told otherwise, 0 for any free one
  --mcp-port <port>   a port of its own for the MCP server (DEMO_MCP_PORT), which then is another origin
  --no-open           do not open a browser`;

/** @param {string} name @param {string | undefined} value */
function portOf(name, value) {
  if (value === undefined || value === "") return undefined;
  const port = Number(value);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    fail(`${name} must be from 0 to 65535, not ${value}.`);
  return port;
}

function readOptions() {
  try {
    return parseArgs({
      options: {
        port: { type: "string" },
        "mcp-port": { type: "string" },
        "no-open": { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    return fail(`${error.message}\n${HELP}`);
  }
}

const options = readOptions();
if (options.help) {
  console.log(HELP);
  process.exit(0);
}
const askedPort = portOf("--port", options.port ?? process.env.DEMO_PORT);
const mcpPort = portOf("--mcp-port", options["mcp-port"] ?? process.env.DEMO_MCP_PORT);

await install();
console.log("Building the packages.");
await build("packages/server", "packages/client");
const { startDemo } = await load("demo/server/start.ts");

/** @param {number} port */
const start = (port) => startDemo({ port, mcpPort, cacheFolder: join(ROOT, ".cache/vite-demo") });

/** The default port may be taken by something else; a port that was asked for must be the one. */
async function startOnSomePort() {
  try {
    return await start(askedPort ?? DEFAULT_PORT);
  } catch (error) {
    if (error.code !== "EADDRINUSE") throw error;
    if (askedPort !== undefined)
      fail(`A port is taken already (${error.message}). Choose another with --port.`);
    console.log(`Port ${DEFAULT_PORT} is taken, so the demo takes another one.`);
    return start(0);
  }
}

const demo = await startOnSomePort();
console.log(
  `\n  The demo runs: ${demo.pageUrl}\n  MCP server:    ${demo.mcpUrl}\n\n  Press Ctrl+C to stop.\n`,
);
if (!options["no-open"]) openBrowser(demo.pageUrl);

let stopping = false;
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, () => {
    // Asked twice, it does not wait for anything any more.
    if (stopping) process.exit(1);
    stopping = true;
    console.log("Stopping.");
    demo.close().then(
      () => process.exit(0),
      (error) => fail(`The demo did not stop cleanly: ${error.message}`),
    );
  });
}
