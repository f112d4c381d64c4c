// Answers the page's buttons (drop, offline), apart from the MCP endpoint that they break.
import type { IncomingMessage, ServerResponse } from "node:http";

import type { BreakableNetwork } from "./breakable-network.js";
import type { McpService } from "./mcp-service.js";

const MAX_OFFLINE_SECONDS = 120;

/**
 * What the page's buttons call. It answers on the page's own origin, apart from the MCP endpoint, so that it stays
 * in reach while that one is not.
 */
export function answerControl(
  request: IncomingMessage,
  response: ServerResponse,
  network: BreakableNetwork,
  mcp: McpService,
): void {
  const url = new URL(request.url ?? "/", "http://localhost");
  switch (`${request.method ?? "GET"} ${url.pathname}`) {
    case "GET /control/state":
      answer(response, 200, { offlineUntil: network.offlineUntil ?? null, executions: mcp.executions });
      return;
    case "POST /control/drop":
      answer(response, 200, { dropped: network.drop() });
      return;
    case "POST /control/offline": {
      const seconds = Number(url.searchParams.get("seconds") ?? Number.NaN);
      if (!(seconds >= 0 && seconds <= MAX_OFFLINE_SECONDS)) {
        answer(response, 400, { error: `seconds must be from 0 to ${MAX_OFFLINE_SECONDS}` });
        return;
      }
      network.goOffline(seconds * 1000);
      answer(response, 200, { offlineUntil: network.offlineUntil ?? null });
      return;
    }
    default:
      answer(response, 404, { error: "There is no such control." });
  }
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "Content-Type": "application/json", "Cache-Control": "no-store" });
  response.end(JSON.stringify(body));
}
