// Shares the few connections that a browser allows per origin among the streams of all its pages, and decides which
// stream is parked to make room for another.
import { follow } from "../wait/abortable.js";
import { type Release, Semaphore } from "./semaphore.js";

/** How long a stream keeps its permit when others wait, in milliseconds. */
const TURN_MS = 500;

/** The same when a request waits: it is not to be felt. */
const SHORT_TURN_MS = 100;

/** For this many rounds of asking only hidden pages make room; after that those in view do too. */
const HIDDEN_ONLY_ROUNDS = 2;

/** What a stream wants a connection for. */
export interface ConnectionUse {
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
export interface ConnectionPermit {
  /** Aborted when another stream gets the permit, and with the stream's own signal. */
  readonly signal: AbortSignal;
  /** Whether another stream got the permit. */
  readonly isRevoked: () => boolean;
  readonly release: Release;
}

export interface ConnectionBudget {
  /** Waits for a permit. @throws `signal.reason` when aborted */
  acquire(use: ConnectionUse, signal: AbortSignal): Promise<ConnectionPermit>;
}

/** Where there is no limit. */
export const unlimitedBudget: ConnectionBudget = {
  acquire: (_use, signal) => Promise.resolve({ signal, isRevoked: () => false, release: () => undefined }),
};

interface Held {
  readonly use: ConnectionUse;
  readonly since: number;
  readonly park: () => void;
}

/** Reaches the other clients of the same origin. */
interface Channel {
  post(message: unknown): void;
  close(): void;
}

/** What the environment gives a budget. */
export interface BudgetScope {
  readonly locks: LockManager | undefined;
  readonly isHidden: () => boolean;
  readonly openChannel: (onMessage: (message: unknown) => void) => Channel;
  /** Calls back when the page is left, and when the very same page is shown again. */
  readonly onLeave: (left: () => void, shown: () => void) => Release;
}

/**
 * Shares the connections that a browser allows per origin (six, over HTTP/1.1) among the streams of all pages: those
 * that are silent for longest give their permit up and are resumed in rotation, so that a request is never starved.
 */
export class SharedBudget implements ConnectionBudget {
  readonly #scope: BudgetScope;
  readonly #permits: Semaphore;
  /**
   * Leave to hold a permit without ever giving it up for another stream: half of them can be held like that, so that
   * the others keep going round.
   */
  readonly #unending: Semaphore;
  readonly #held = new Set<Held>();
  /** How many hold a permit or wait for one: what follows is there while there are any. */
  #users = 0;
  #channel: Channel | undefined;
  #ignorePage: Release | undefined;
  #isLeft = false;

  /** @param count - how many connections; at least 2 */
  constructor(origin: string, count: number, scope: BudgetScope) {
    this.#scope = scope;
    const { locks } = scope;
    const name = (...parts: readonly (string | number)[]): string =>
      JSON.stringify(["resumable-mcp", "connection", origin, ...parts]);
    const numbered = (kind: string, length: number): readonly string[] =>
      Array.from({ length }, (_, n) => name(kind, n));
    this.#permits = new Semaphore({
      permits: numbered("place", count),
      queue: name("queue"),
      locks,
      onWaiting: (round, isUrgent) => {
        this.#channel?.post(round);
        this.#makeRoom(isUrgent ? SHORT_TURN_MS : TURN_MS);
      },
    });
    this.#unending = new Semaphore({ permits: numbered("for good", Math.floor(count / 2)), locks });
  }

  async acquire(use: ConnectionUse, signal: AbortSignal): Promise<ConnectionPermit> {
    signal.throwIfAborted();
    this.#users += 1;
    if (this.#users === 1) this.#start();
    const releases: Release[] = [
      () => {
        this.#users -= 1;
        if (this.#users === 0) this.#stop();
      },
    ];
    const release = (): void => {
      for (const undo of releases.splice(0).reverse()) undo();
    };
    try {
      if (use.isUnending) releases.push(await this.#unending.acquire(signal));
      releases.push(await this.#permits.acquire(signal, use.isUrgent));
    } catch (error) {
      release();
      throw error;
    }
    const parked = follow(signal);
    let isRevoked = false;
    const held: Held = {
      use,
      since: Date.now(),
      park: () => {
        isRevoked = true;
        parked.abort();
        release();
      },
    };
    this.#held.add(held);
    releases.push(() => {
      this.#held.delete(held);
      parked.abort();
    });
    return { signal: parked.signal, isRevoked: () => isRevoked, release };
  }

  /** Closes the quietest connection that had its turn. */
  #makeRoom(turnMs: number): void {
    const now = Date.now();
    const heardAt = ({ since, use }: Held): number => Math.max(since, use.heardAt());
    const [quietest] = [...this.#held]
      .filter(
        ({ since, use }) =>
          // The clock may have been set back.
          Math.abs(now - since) >= turnMs && use.isParkable(),
      )
      .sort((one, other) => heardAt(one) - heardAt(other));
    quietest?.park();
  }

  #start(): void {
    const { isHidden, onLeave, openChannel } = this.#scope;
    const open = (): void => {
      this.#channel ??= openChannel((round) => {
        if (isHidden() || Number(round) >= HIDDEN_ONLY_ROUNDS) this.#makeRoom(TURN_MS);
      });
    };
    if (!this.#isLeft) open();
    // A page in the back/forward cache is thrown out of it by a message, and when another one asks for its lock.
    this.#ignorePage ??= onLeave(
      () => {
        this.#isLeft = true;
        this.#permits.pause();
        this.#closeChannel();
        for (const { park, use } of [...this.#held]) if (use.isParkable()) park();
      },
      () => {
        this.#isLeft = false;
        if (this.#users > 0) open();
        else this.#stop();
        this.#permits.resume();
      },
    );
  }

  #stop(): void {
    this.#closeChannel();
    // Nothing else would tell that a page that was left is shown again.
    if (this.#isLeft) return;
    this.#ignorePage?.();
    this.#ignorePage = undefined;
  }

  #closeChannel(): void {
    this.#channel?.close();
    this.#channel = undefined;
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
    acquire: (use, signal) => (isMultiplexed(url) ? unlimitedBudget : shared).acquire(use, signal),
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
