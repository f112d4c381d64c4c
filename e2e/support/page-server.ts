// Serves the pages of the browser tests: their programs, bundled, and whatever answers MCP, all from one origin.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { fileURLToPath } from "node:url";

import { build } from "vite";

/** Files of `e2e/programs`, by the name that they are served under. */
type Programs = Readonly<Record<string, string>>;

export interface PageServerOptions {
  /** The programs of the pages: `{ page: "calls-page.ts" }` is served as `/page.js`, which every page loads. */
  readonly programs: Programs;
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

/** The bundles of this process, by what they are made of: several tests serve the same one. */
const bundles = new Map<string, Promise<ReadonlyMap<string, string>>>();

/** Resolves to the modules of the programs, by path: they contain the built client, and what they share is shared. */
function bundleOf(programs: Programs): Promise<ReadonlyMap<string, string>> {
  const key = JSON.stringify(programs);
  const bundle = bundles.get(key) ?? makeBundle(programs);
  bundles.set(key, bundle);
  return bundle;
}

async function makeBundle(programs: Programs): Promise<ReadonlyMap<string, string>> {
  const root = fileURLToPath(new URL("../programs/", import.meta.url));
  const made = await build({
    root,
    configFile: false,
    logLevel: "warn",
    build: {
      write: false,
      target: "es2022",
      minify: false,
      modulePreload: false,
      rolldownOptions: {
        input: Object.fromEntries(Object.entries(programs).map(([name, file]) => [name, `${root}${file}`])),
        output: { entryFileNames: "[name].js", chunkFileNames: "shared/[name].js" },
      },
    },
  });
  if (!("output" in made)) throw new Error("Vite made more than one bundle, or watches.");
  return new Map(
    made.output.flatMap((file) => (file.type === "chunk" ? [[`/${file.fileName}`, file.code]] : [])),
  );
}

/** Serves pages that load `/page.js`, and the modules of their programs. All from one origin over HTTP/1.1. */
export async function servePages({ programs, mcp }: PageServerOptions): Promise<PageServer> {
  const modules = await bundleOf(programs);
  const server = createServer((request, response) => {
    const path = request.url ?? "/";
    const answer = async (): Promise<void> => {
      if (path === "/mcp" && mcp !== undefined) return mcp(request, response);
      // A sandboxed frame has an origin of its own.
      response.setHeader("Access-Control-Allow-Origin", "*");
      const isScript = path.endsWith(".js");
      response.setHeader("Content-Type", isScript ? "text/javascript" : "text/html");
      if (isScript) response.writeHead(modules.has(path) ? 200 : 404).end(modules.get(path));
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
