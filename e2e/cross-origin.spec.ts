// Tests the demo with its MCP server on another origin than its page.
import { messageAt, numbers } from "./support/demo-page.js";
import { expect, test } from "./support/fixtures.js";

const CALL = { messages: 60, seconds: 6 };

test("a call to another origin survives dropped sockets and a reload", async ({ crossOriginDemoPage }) => {
  const { demo } = crossOriginDemoPage;
  expect(new URL(demo.mcpUrl).origin).not.toBe(new URL(demo.pageUrl).origin);
  await crossOriginDemoPage.open(CALL);
  await crossOriginDemoPage.startCall();

  await crossOriginDemoPage.waitForArrivals(10);
  await crossOriginDemoPage.drop.click();
  await expect(crossOriginDemoPage.reconnects).toHaveText("1");
  await crossOriginDemoPage.waitForArrivals(25);
  await crossOriginDemoPage.reload();
  await crossOriginDemoPage.expectResult(CALL.messages);

  const [before = [], after = []] = await crossOriginDemoPage.arrivalsByLife();
  const resumed = crossOriginDemoPage.resumes.find(({ life }) => life === 2);
  expect(before).toEqual(numbers(1, before.length));
  expect(after).toEqual(numbers(messageAt(resumed?.lastEventId ?? "") + 1, CALL.messages));
  expect(after[0]).toBeLessThanOrEqual(before.length + 1);
  for (const { url } of crossOriginDemoPage.resumes) expect(url).toBe(demo.mcpUrl);
});

test("the MCP server lets in the demo's own page alone", async ({ crossOriginDemo, request }) => {
  const { mcpUrl, pageUrl } = crossOriginDemo;
  const initialize = {
    jsonrpc: "2.0",
    id: 1,
    method: "initialize",
    params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "guest", version: "0" } },
  };
  const answerTo = async (headers: Record<string, string>): Promise<number> => {
    const response = await request.post(mcpUrl, {
      data: initialize,
      headers: { Accept: "application/json, text/event-stream", ...headers },
    });
    return response.status();
  };

  expect(await answerTo({ Origin: new URL(pageUrl).origin })).toBe(200);
  expect(await answerTo({ Origin: "https://somewhere.example" })).toBe(403);
  expect(await answerTo({ Host: "rebound.example" })).toBe(403);
});

test("the preflight allows what a resume sends, and the session id can be read", async ({
  crossOriginDemo,
  request,
}) => {
  const origin = new URL(crossOriginDemo.pageUrl).origin;
  const response = await request.fetch(crossOriginDemo.mcpUrl, {
    method: "OPTIONS",
    headers: { Origin: origin, "Access-Control-Request-Method": "GET" },
  });
  const headers = response.headers();

  expect(response.status()).toBe(204);
  expect(headers["access-control-allow-origin"]).toBe(origin);
  expect(headers["access-control-expose-headers"]).toBe("Mcp-Session-Id");
  const allowed = headers["access-control-allow-headers"]?.toLowerCase().split(", ");
  expect(allowed).toEqual(
    expect.arrayContaining([
      "authorization",
      "content-type",
      "idempotency-key",
      "last-event-id",
      "mcp-protocol-version",
      "mcp-session-id",
    ]),
  );
});
