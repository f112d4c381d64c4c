import {
  type BudgetScope,
  type ConnectionBudget,
  SharedBudget,
  unlimitedBudget,
} from "./connection-budget.js";

/**
 * Of the six connections per origin that browsers keep over HTTP/1.1 (Chromium, Firefox and Safari alike), two are
 * left for what is short: pings, notifications, answers, and what else the app asks of the server.
 */
const DEFAULT_CONNECTIONS = 4;

/** @param maxConnections - the app's own limit; `Infinity` for none */
export function createBudget(url: string, maxConnections: number | undefined): ConnectionBudget {
  const isBrowser = "document" in globalThis || "WorkerGlobalScope" in globalThis;
  if (maxConnections === Infinity || (maxConnections === undefined && !isBrowser)) return unlimitedBudget;
  const { origin } = new URL(url);
  const shared = new SharedBudget(origin, maxConnections ?? DEFAULT_CONNECTIONS, thisScope(origin));
  if (maxConnections !== undefined) return shared;
  // Known once a first request has ended, such as the handshake's.
  return {
    enter: (tenant, signal) => (isMultiplexed(url) ? unlimitedBudget : shared).enter(tenant, signal),
  };
}

/** Whether the browser said that it reaches the server over HTTP/2 or HTTP/3, where streams share one connection. */
function isMultiplexed(url: string): boolean {
  const entry = performance.getEntriesByName(url, "resource").at(-1) as PerformanceResourceTiming | undefined;
  return /^h[23]/.test(entry?.nextHopProtocol ?? "");
}

/** The page or worker in which this runs. @param origin - the server's */
function thisScope(origin: string): BudgetScope {
  const scope = globalThis as Partial<
    Pick<Window, "addEventListener" | "removeEventListener" | "document" | "navigator">
  >;
  const locks = scope.navigator?.locks;
  return {
    locks,
    isHidden: () => scope.document?.visibilityState === "hidden",
    openChannel(onMessage) {
      // Without locks nothing is shared that others could be asked for.
      const channel =
        locks === undefined ? undefined : new BroadcastChannel(`resumable-mcp/connections/${origin}`);
      channel?.addEventListener("message", ({ data }) => onMessage(data));
      return { post: (message) => channel?.postMessage(message), close: () => channel?.close() };
    },
    onLeave(left, shown) {
      scope.addEventListener?.("pagehide", left);
      scope.addEventListener?.("pageshow", shown);
      return () => {
        scope.removeEventListener?.("pagehide", left);
        scope.removeEventListener?.("pageshow", shown);
      };
    },
  };
}
