import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import {
  INITIALIZE_RESULT,
  event,
  json,
  resultOf,
  scriptedServer,
  sse,
  status,
} from "../support/msw-server.js";
import { openTransport } from "../support/open-transport.js";

const server = scriptedServer();

/** What a browser sends to another origin without asking first (Fetch, "CORS-safelisted request-header"). */
const SAFELISTED = new Set(["accept"]);

/** The names in one of the headers that the README tells a server of another origin to send. */
async function documented(header: string): Promise<readonly string[]> {
  const readme = await readFile(new URL("../../../../README.md", import.meta.url), "utf8");
  const line = readme.split("\n").find((text) => text.startsWith(`${header}: `));
  return line?.slice(header.length + 2).split(", ") ?? [];
}

test("a server of another origin that follows the README lets every header and method through", async () => {
  const capabilities = { tools: {}, experimental: { "resumable-mcp": { idempotency: true } } };
  server.play({
    onInitialize: ({ message }) =>
      json(
        { ...resultOf({ message }), result: { ...INITIALIZE_RESULT, capabilities } },
        { "Mcp-Session-Id": "s1" },
      ),
    onCall: () => sse([event({ id: "1", data: "" })], "cut"),
    onResume: (request) =>
      request.lastEventId === "1"
        ? sse([event({ id: "2", data: resultOf(server.calls()[0]!) })])
        : status(400),
  });
  const { call, transport } = await openTransport({ authProvider: { token: () => "t" } });
  await call("tools/call", { name: "count" });
  await transport.terminateSession();
  const names = new Set(server.received.flatMap(({ headers }) => [...headers.keys()]));
  const allowed = await documented("Access-Control-Allow-Headers");
  expect([...names].filter((name) => !SAFELISTED.has(name)).sort()).toEqual(
    allowed.map((name) => name.toLowerCase()).sort(),
  );
  expect(new Set(server.received.map(({ method }) => method))).toEqual(
    new Set(await documented("Access-Control-Allow-Methods")),
  );
});
