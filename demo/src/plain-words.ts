// Says in plain words what went wrong and what to do about it, for the person in front of the page.
import { ResumeError, type ResumeErrorCode } from "@resumable-mcp/client";

const START_AGAIN = "Press Start to call again.";

const WORDS: Readonly<Record<ResumeErrorCode, string>> = {
  "invalid-option": "The page was set up wrongly. Reload it; if that does not help, it is a bug of the demo.",
  closed: "The connection was closed on purpose. Reload the page to go on.",
  "session-lost": `The server no longer knows this session, probably because it was restarted. ${START_AGAIN}`,
  "cursor-lost": `The page was away for longer than the server keeps messages. ${START_AGAIN}`,
  "not-resumable": `The connection broke, and this server cannot resume it. ${START_AGAIN}`,
  "gave-up":
    "The server could not be reached for too long. Check that `npm run demo` still runs, then reload.",
  interrupted: `The connection broke before the server had answered. ${START_AGAIN}`,
  unauthorized: "The server wants a login that this page does not have.",
  http: "The server refused the request. Its terminal may say why; then reload the page.",
  "not-sse": "Something that is not an MCP server answered. Check the address of the MCP server.",
  server: `The server answered with an error. ${START_AGAIN}`,
  protocol: `The server sent something that is not MCP. ${START_AGAIN}`,
  "state-corrupt": `What this browser had saved could not be read and was set aside. ${START_AGAIN}`,
  "state-unavailable": "This browser lets the page save nothing: a call survives drops, but not a reload.",
};

/** What happened and what to do about it, for the person in front of the page. */
export function inPlainWords(error: unknown): string {
  if (error instanceof ResumeError) {
    const doubt = error.maybeExecuted ? " The server may have run the call all the same." : "";
    return WORDS[error.code] + doubt;
  }
  const detail = error instanceof Error ? error.message : String(error);
  return `The call failed: ${detail}. ${START_AGAIN}`;
}
