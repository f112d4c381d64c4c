// Runs in a page that makes calls, and keeps its state in memory.
import { memoryStore } from "@resumable-mcp/client";

import { CallsClient } from "./calls-client.js";

declare global {
  /** `returned`: whether the page came back from the back/forward cache. */
  var callsPage: CallsClient & { returned: boolean };
}

globalThis.callsPage = Object.assign(new CallsClient(memoryStore()), { returned: false });
addEventListener("pageshow", ({ persisted }) => (callsPage.returned = persisted));
