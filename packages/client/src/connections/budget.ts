import { follow } from "../wait/abortable.js";
import { createPlaces, type Places, type Release } from "./semaphore.js";

/** How long a stream keeps its place when others wait, in milliseconds. */
const TURN_MS = 500;

/** The same when a request waits: it is not to be felt. */
const SHORT_TURN_MS = 100;

/** How often a stream that waits says so, in milliseconds. */
const ASK_MS = 100;

/** Pages in view leave it to the hidden ones to make room, for so many times of asking. */
const PATIENCE = 2;

/** What a stream wants a place for. */
export interface Tenant {
  /** Whether a request waits to be sent: it goes before the resumes. */
  readonly isUrgent: boolean;
  /** Whether the stream may go on for ever without a cursor, as the standalone one of a server that sends no ids. */
  readonly isUnending: boolean;
  /** Whether nothing is lost when the stream's connection is closed and resumed later. */
  readonly isParkable: () => boolean;
  /** When the stream's last event came, in milliseconds since the epoch. */
  readonly heardAt: () => number;
}

/** Leave to hold one connection. */
export interface Place {
  /** Aborted when another stream gets the place, and with the stream's own signal. */
  readonly signal: AbortSignal;
  /** Whether another stream got the place. */
  readonly isLost: () => boolean;
  readonly leave: Release;
}

export interface ConnectionBudget {
  /** Waits for a place. @throws `signal.reason` when aborted */
  enter(tenant: Tenant, signal: AbortSignal): Promise<Place>;
}

/** Where there is no limit. */
export const unlimitedBudget: ConnectionBudget = {
  enter: (_tenant, signal) => Promise.resolve({ signal, isLost: () => false, leave: () => undefined }),
};

interface Held {
  readonly tenant: Tenant;
  readonly since: number;
  readonly park: () => void;
}

interface Waiting {
  readonly tenant: Tenant;
  readonly grant: (release: Release) => void;
}

/** What the environment gives a budget. */
export interface BudgetScope {
  readonly locks: LockManager | undefined;
  readonly isHidden: () => boolean;
  /** Reaches the other clients of the same origin. */
  readonly openChannel: (onMessage: (message: unknown) => void) => {
    post(message: unknown): void;
    close(): void;
  };
  /** Calls back when the page is left, and when the very same page is shown again. */
  readonly onLeave: (left: () => void, shown: () => void) => Release;
}

/**
 * Shares the connections that a browser allows per origin (six, over HTTP/1.1) among the streams of all pages: those
 * that are silent for longest give their place up and are resumed in rotation, so that a request is never starved.
 */
export class SharedBudget implements ConnectionBudget {
  readonly #places: Places;
  readonly #scope: BudgetScope;
  readonly #held = new Set<Held>();
  readonly #waiting: Waiting[] = [];
  /** What is open while there is anybody to hold a place or to wait for one. */
  #open: { readonly post: (message: unknown) => void; readonly close: Release } | undefined;
  #asking: AbortController | undefined;
  #isLeft = false;
  #tenants = 0;

  /** @param count - how many connections; at least 2 */
  constructor(origin: string, count: number, scope: BudgetScope) {
    this.#scope = scope;
    this.#places = createPlaces(origin, count, scope.locks);
  }

  async enter(tenant: Tenant, signal: AbortSignal): Promise<Place> {
    signal.throwIfAborted();
    this.#tenants += 1;
    this.#open ??= this.#openChannel();
    const releases: Release[] = [
      () => {
        this.#tenants -= 1;
        if (this.#tenants > 0) return;
        this.#open?.close();
        this.#open = undefined;
      },
    ];
    const leave = (): void => {
      for (const release of releases.splice(0).reverse()) release();
    };
    try {
      if (tenant.isUnending) releases.push(await this.#places.takeForGood(signal));
      releases.push(await this.#wait(tenant, signal));
    } catch (error) {
      leave();
      throw error;
    }
    return this.#occupy(tenant, signal, leave, releases);
  }

  #occupy(tenant: Tenant, signal: AbortSignal, leave: Release, releases: Release[]): Place {
    const parked = follow(signal);
    let isLost = false;
    const held: Held = {
      tenant,
      since: Date.now(),
      park: () => {
        isLost = true;
        parked.abort();
        leave();
      },
    };
    this.#held.add(held);
    releases.push(() => {
      this.#held.delete(held);
      parked.abort();
    });
    return { signal: parked.signal, isLost: () => isLost, leave };
  }

  /** Waits in this client's own queue, of which only the first waits among those of all pages. */
  #wait(tenant: Tenant, signal: AbortSignal): Promise<Release> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const abort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        if (this.#waiting.length === 0) this.#asking?.abort();
        reject(signal.reason as Error);
      };
      const grant = (release: Release): void => {
        signal.removeEventListener("abort", abort);
        resolve(release);
      };
      const waiter: Waiting = { tenant, grant };
      signal.addEventListener("abort", abort, { once: true });
      const behind = tenant.isUrgent ? this.#waiting.findIndex((other) => !other.tenant.isUrgent) : -1;
      this.#waiting.splice(behind === -1 ? this.#waiting.length : behind, 0, waiter);
      void this.#serve();
    });
  }

  async #serve(): Promise<void> {
    while (this.#asking === undefined && !this.#isLeft && this.#waiting.length > 0) {
      const asking = new AbortController();
      this.#asking = asking;
      let asked = 0;
      const timer = setInterval(() => {
        this.#open?.post(asked);
        this.#makeRoom(this.#waiting[0]?.tenant.isUrgent === true ? SHORT_TURN_MS : TURN_MS);
        asked += 1;
      }, ASK_MS);
      try {
        const release = await this.#places.take(asking.signal);
        const first = this.#waiting.shift();
        if (first === undefined) release();
        else first.grant(release);
      } catch {
        // Nobody waits any more, or the page was left: then it goes on when it is shown.
      } finally {
        clearInterval(timer);
        this.#asking = undefined;
      }
    }
  }

  /** Closes the quietest connection that had its turn. */
  #makeRoom(turnMs: number): void {
    const now = Date.now();
    const heardAt = ({ since, tenant }: Held): number => Math.max(since, tenant.heardAt());
    const [quietest] = [...this.#held]
      .filter(
        ({ since, tenant }) =>
          // The clock may have been set back.
          Math.abs(now - since) >= turnMs && tenant.isParkable(),
      )
      .sort((one, other) => heardAt(one) - heardAt(other));
    quietest?.park();
  }

  #openChannel(): { readonly post: (message: unknown) => void; readonly close: Release } {
    const { isHidden, onLeave, openChannel } = this.#scope;
    const open = (): ReturnType<typeof openChannel> =>
      openChannel((asked) => {
        if (isHidden() || Number(asked) >= PATIENCE) this.#makeRoom(TURN_MS);
      });
    let channel: ReturnType<typeof openChannel> | undefined = open();
    // A page in the back/forward cache is thrown out of it by a message, and when another one asks for its lock.
    const stop = onLeave(
      () => {
        this.#isLeft = true;
        this.#asking?.abort();
        channel?.close();
        channel = undefined;
        for (const { park, tenant } of [...this.#held]) if (tenant.isParkable()) park();
      },
      () => {
        this.#isLeft = false;
        channel ??= open();
        void this.#serve();
      },
    );
    return {
      post: (message) => channel?.post(message),
      close() {
        stop();
        channel?.close();
      },
    };
  }
}

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
