import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { fileURLToPath } from "node:url";

export interface PageServerOptions {
  /** The scripts that the pages need beside the built client, by path. */
  readonly scripts: Readonly<Record<string, string>>;
  /** Answers what goes to `/mcp`. */
  readonly mcp?: (request: IncomingMessage, response: ServerResponse) => Promise<void>;
}

export interface PageServer {
  readonly url: string;
  readonly port: number;
  /** Breaks every connection. */
  drop(): void;
  close(): Promise<void>;
}

/** The path of a page without a client. */
export const EMPTY_PAGE = "no-client";

/** Modules that the built client imports by name. */
const MODULES: Readonly<Record<string, string>> = {
  "eventsource-parser": import.meta.resolve("eventsource-parser"),
  "idb-keyval": import.meta.resolve("idb-keyval"),
};

/** Lets a page and a worker call one another's functions, each over a channel of its own. */
const REMOTE = `
  export const ask = (target, command, ...given) => {
    const { port1, port2 } = new MessageChannel();
    target.postMessage([command, ...given], [port2]);
    return new Promise((resolve, reject) => {
      port1.onmessage = ({ data: { result, error } }) => error === undefined ? resolve(result) : reject(new Error(error));
    });
  };
  export const offer = (commands) =>
    addEventListener("message", async ({ data: [command, ...given], ports: [port] }) => {
      try {
        port.postMessage({ result: await commands[command](...given) });
      } catch (error) {
        port.postMessage({ error: String(error) });
      }
    });
`;

/** A module as a browser without a bundler can load it. */
async function moduleAt(path: string): Promise<string> {
  const url = MODULES[path.slice(1, -".js".length)] ?? new URL(`../packages/client${path}`, import.meta.url);
  const source = await readFile(fileURLToPath(url), "utf8");
  return Object.keys(MODULES).reduce((text, name) => text.replaceAll(`"${name}"`, `"/${name}.js"`), source);
}

/**
 * Serves pages that load `/page.js`, and modules for them: the scripts given, `/remote.js`, and the built client under
 * `/dist/`. All from one origin over HTTP/1.1.
 */
export async function servePages({ scripts, mcp }: PageServerOptions): Promise<PageServer> {
  const known: PageServerOptions["scripts"] = { "/remote.js": REMOTE, ...scripts };
  const server = createServer((request, response) => {
    const path = request.url ?? "/";
    const answer = async (): Promise<void> => {
      if (path === "/mcp" && mcp !== undefined) return mcp(request, response);
      // A sandboxed frame has an origin of its own.
      response.setHeader("Access-Control-Allow-Origin", "*");
      const isScript = path.endsWith(".js");
      response.setHeader("Content-Type", isScript ? "text/javascript" : "text/html");
      if (isScript) response.end(known[path] ?? (await moduleAt(path)));
      else {
        const script = path === `/${EMPTY_PAGE}` ? "" : `<script type="module" src="/page.js"></script>`;
        response.end(`<!doctype html>${script}`);
      }
    };
    answer().catch((error: unknown) => response.writeHead(500).end(String(error)));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The server has no port.");
  return {
    url: `http://127.0.0.1:${address.port}/`,
    port: address.port,
    drop: () => server.closeAllConnections(),
    close: () =>
      new Promise<void>((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
