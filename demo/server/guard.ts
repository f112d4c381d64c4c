// Refuses requests that do not come from the demo's own page on this machine.
import type { IncomingMessage, ServerResponse } from "node:http";

/** The names under which this machine knows itself: the demo is for nobody else. */
const OWN_NAMES = ["localhost", "127.0.0.1", "[::1]"] as const;

const ALLOWED_REQUEST_HEADERS = [
  "Accept",
  "Authorization",
  "Content-Type",
  "Idempotency-Key",
  "Last-Event-ID",
  "Mcp-Protocol-Version",
  "Mcp-Session-Id",
].join(", ");

/** The browser may remember a preflight's answer so many seconds: Chromium's own upper limit. */
const PREFLIGHT_MAX_AGE_SECONDS = 7200;

/** The `Host` values under which a server on this port is reached on this machine. */
export function ownHosts(port: number): ReadonlySet<string> {
  return new Set(OWN_NAMES.map((name) => `${name}:${port}`));
}

/** The origins of a page that a server on this port of this machine serves. */
export function ownOrigins(port: number): ReadonlySet<string> {
  return new Set(OWN_NAMES.map((name) => `http://${name}:${port}`));
}

/**
 * Whether a request may come in. The `Host` check stops DNS rebinding and the `Origin` check stops other pages of
 * the same browser (MCP 2025-11-25, transports, security warning). A request without an `Origin` is not a page's.
 */
export function isWelcome(
  request: IncomingMessage,
  hosts: ReadonlySet<string>,
  origins: ReadonlySet<string>,
): boolean {
  const { host, origin } = request.headers;
  return host !== undefined && hosts.has(host) && (origin === undefined || origins.has(origin));
}

/**
 * Lets a page of one of the origins read the answers of this server, and answers the browser's preflight.
 *
 * @returns whether the request was a preflight, and so is done.
 */
export function answerCors(
  request: IncomingMessage,
  response: ServerResponse,
  origins: ReadonlySet<string>,
): boolean {
  const { origin } = request.headers;
  response.setHeader("Vary", "Origin");
  if (origin === undefined || !origins.has(origin)) return false;
  response.setHeader("Access-Control-Allow-Origin", origin);
  // A page cannot read a response header that is not exposed, and without its session id it has no session.
  response.setHeader("Access-Control-Expose-Headers", "Mcp-Session-Id");
  if (request.method !== "OPTIONS") return false;
  response.setHeader("Access-Control-Allow-Methods", "GET, POST, DELETE");
  response.setHeader("Access-Control-Allow-Headers", ALLOWED_REQUEST_HEADERS);
  response.setHeader("Access-Control-Max-Age", PREFLIGHT_MAX_AGE_SECONDS);
  response.writeHead(204).end();
  return true;
}
