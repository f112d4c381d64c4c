import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";

import type { Page } from "@playwright/test";
import type { IndexedDBStoreOptions } from "@resumable-mcp/client/stores/indexeddb";

/** What acquiring a slot came to. */
export interface Acquired {
  readonly record?: unknown;
  readonly error?: string;
  readonly cause?: string;
}

/** What the page's script offers to the test. */
interface StorePage {
  acquire(options?: IndexedDBStoreOptions): Promise<Acquired>;
  save(record: unknown): Promise<void>;
  askWorker(command: "acquire" | "save", argument?: unknown): Promise<Acquired>;
  restartWorker(): void;
  /** Whether this page came back from the back/forward cache. */
  readonly returned: boolean;
}

declare global {
  var storePage: StorePage;
}

/** The built package, as a browser without a bundler can load it. */
async function builtModule(path: string): Promise<string> {
  const file =
    path === "/idb-keyval.js"
      ? new URL(import.meta.resolve("idb-keyval"))
      : new URL(`../packages/client${path}`, import.meta.url);
  const source = await readFile(fileURLToPath(file), "utf8");
  return source.replaceAll('"idb-keyval"', '"/idb-keyval.js"');
}

const CLIENT = `
  import { indexedDBStore } from "/dist/stores/indexeddb.js";
  let slot;
  const scope = { serverUrl: "https://mcp.example/mcp", partition: "" };
  export async function acquire(options) {
    try {
      slot = await indexedDBStore(options).acquire(scope, new AbortController().signal);
      return { record: (await slot.load()) ?? null };
    } catch (error) {
      return { error: error.code, cause: error.cause?.name };
    }
  }
  export const save = (record) => slot.save(record);
`;

const WORKER = `
  import { acquire, save } from "/client.js";
  onmessage = async ({ data: [command, argument] }) => postMessage(await { acquire, save }[command](argument));
`;

const PAGE_SCRIPT = `
  import { acquire, save } from "/client.js";
  let worker;
  globalThis.storePage = {
    acquire,
    save,
    returned: false,
    restartWorker() {
      worker?.terminate();
      worker = new Worker("/worker.js", { type: "module" });
    },
    askWorker: (command, argument) =>
      new Promise((resolve, reject) => {
        worker.onmessage = ({ data }) => resolve(data);
        worker.onerror = ({ message }) => reject(new Error(message));
        worker.postMessage([command, argument]);
      }),
  };
  addEventListener("pageshow", ({ persisted }) => (storePage.returned = persisted));
`;

const SCRIPTS: Readonly<Record<string, string>> = {
  "/client.js": CLIENT,
  "/worker.js": WORKER,
  "/page.js": PAGE_SCRIPT,
};

/** Serves pages that use the built IndexedDB store. */
export async function serveStorePage(): Promise<{ readonly port: number; close(): Promise<void> }> {
  const server = createServer((request, response) => {
    const path = request.url ?? "/";
    const answer = async () => {
      if (path === "/no-client") return "<!doctype html>";
      if (!path.endsWith(".js")) return `<!doctype html><script type="module" src="/page.js"></script>`;
      return SCRIPTS[path] ?? (await builtModule(path));
    };
    answer().then(
      (body) => {
        // A sandboxed frame has an origin of its own.
        response.setHeader("Access-Control-Allow-Origin", "*");
        response.setHeader("Content-Type", path.endsWith(".js") ? "text/javascript" : "text/html");
        response.end(body);
      },
      (error: unknown) => {
        response.statusCode = 404;
        response.end(String(error));
      },
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The server has no port.");
  return {
    port: address.port,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

/** Waits until the page's script runs. */
export async function ready(page: Page): Promise<Page> {
  await page.waitForFunction(() => "storePage" in globalThis);
  return page;
}

export async function acquire(page: Page, options?: IndexedDBStoreOptions): Promise<Acquired> {
  await ready(page);
  return page.evaluate((given) => storePage.acquire(given), options);
}

export async function save(page: Page, record: unknown): Promise<void> {
  await page.evaluate((given) => storePage.save(given), record);
}

/** `window.open`, which starts the new tab with a copy of sessionStorage, as "Duplicate tab" does. */
export async function duplicate(page: Page): Promise<Page> {
  const opened = page.context().waitForEvent("page");
  await page.evaluate(() => void window.open(location.href));
  return ready(await opened);
}
