import { setMaxListeners } from "node:events";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  type BudgetScope,
  type ConnectionBudget,
  type ConnectionPermit,
  SharedBudget,
  type ConnectionUse,
  createBudget,
} from "../src/connections/budget.js";
import type { Release } from "../src/connections/semaphore.js";
import { TestLocks } from "./stores/web-locks.js";

const ORIGIN = "http://mcp.example";

beforeEach(() => void vi.useFakeTimers({ now: 1_000_000 }));
afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

interface Browser {
  readonly locks: TestLocks;
  readonly openChannels: () => number;
  /** Opens a page; `leave` and `show` do to it what the back/forward cache does. */
  readonly page: (
    id: string,
    count?: number,
  ) => { isHidden: boolean; leave: Release; show: Release; readonly budget: SharedBudget };
}

/** A browser with several pages, each with a budget of its own for the same server. */
function browser(): Browser {
  const locks = new TestLocks();
  const channels = new Set<(message: unknown) => void>();
  return {
    locks,
    openChannels: () => channels.size,
    page(id, count = 2) {
      const page: { isHidden: boolean; leave: Release; show: Release } = {
        isHidden: false,
        leave: () => undefined,
        show: () => undefined,
      };
      const scope: BudgetScope = {
        locks: locks.client(id),
        isHidden: () => page.isHidden,
        openChannel(onMessage) {
          channels.add(onMessage);
          return {
            post: (message) => {
              for (const other of channels) if (other !== onMessage) other(message);
            },
            close: () => void channels.delete(onMessage),
          };
        },
        onLeave(left, shown) {
          page.leave = left;
          page.show = shown;
          return () => {
            page.leave = page.show = () => undefined;
          };
        },
      };
      return Object.assign(page, { budget: new SharedBudget(ORIGIN, count, scope) });
    },
  };
}

/** A stream that wants a permit, and what it has come to. */
function stream(budget: ConnectionBudget, given: Partial<ConnectionUse> & { readonly heard?: number } = {}) {
  const abort = new AbortController();
  const state = { permit: undefined as ConnectionPermit | undefined, error: undefined as unknown, abort };
  const { heard = 0, ...use } = given;
  budget
    .acquire(
      { isUrgent: false, isUnending: false, isParkable: () => true, heardAt: () => heard, ...use },
      abort.signal,
    )
    .then(
      (permit) => (state.permit = permit),
      (error: unknown) => (state.error = error),
    );
  return state;
}

const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

describe("streams of one page", () => {
  test("have permits until these are used up; then the one that is silent for longest makes room", async () => {
    const { budget } = browser().page("page");
    const quiet = stream(budget, { heard: 1_000_400 });
    const lively = stream(budget, { heard: 1_000_600 });
    await pass(700);
    expect([quiet.permit?.isRevoked(), lively.permit?.isRevoked()]).toEqual([false, false]);
    const third = stream(budget);
    await pass(150);
    expect(quiet.permit?.isRevoked()).toBe(true);
    expect(quiet.permit?.signal.aborted).toBe(true);
    expect(lively.permit?.isRevoked()).toBe(false);
    expect(third.permit?.isRevoked()).toBe(false);
  });

  test("that cannot be resumed keep their permit, and the others wait until it is left", async () => {
    const { budget } = browser().page("page");
    const first = stream(budget, { isParkable: () => false });
    const second = stream(budget, { isParkable: () => false });
    const third = stream(budget);
    await pass(60_000);
    expect(third.permit).toBeUndefined();
    first.permit?.release();
    await pass(0);
    expect(third.permit).toBeDefined();
    expect(second.permit?.isRevoked()).toBe(false);
  });

  test("keep a permit for a turn, so that twenty of them go round instead of being torn to pieces", async () => {
    const { budget } = browser().page("page", 4);
    let granted = 0;
    const abort = new AbortController();
    setMaxListeners(0, abort.signal);
    const turns = Array.from({ length: 20 }, () => 0);
    const run = async (n: number): Promise<void> => {
      while (!abort.signal.aborted) {
        const permit = await budget.acquire(
          { isUrgent: false, isUnending: false, isParkable: () => true, heardAt: () => 0 },
          abort.signal,
        );
        granted += 1;
        turns[n] = (turns[n] ?? 0) + 1;
        await new Promise((resolve) => permit.signal.addEventListener("abort", resolve));
      }
    };
    const all = Promise.allSettled(turns.map((_, n) => run(n)));
    await pass(30_000);
    abort.abort();
    await all;
    // Four permits, each for at least half a second at a time.
    expect(granted).toBeLessThanOrEqual(4 + 4 * 60);
    expect(Math.min(...turns)).toBeGreaterThanOrEqual(5);
    expect(Math.max(...turns) - Math.min(...turns)).toBeLessThanOrEqual(2);
  });

  test("wait behind a request, which gets the next permit within a fraction of a second", async () => {
    const { budget } = browser().page("page");
    const held = [stream(budget), stream(budget)];
    const resumes = [stream(budget), stream(budget), stream(budget)];
    await pass(120);
    expect(held.filter(({ permit }) => permit?.isRevoked() === true)).toHaveLength(0);
    const request = stream(budget, { isUrgent: true });
    await pass(120);
    expect(request.permit).toBeDefined();
    expect(resumes.filter(({ permit }) => permit !== undefined)).toHaveLength(0);
  });

  test("that go on for ever without a cursor hold half of the permits at most, so that the rest go round", async () => {
    const { budget } = browser().page("page", 4);
    const unending = Array.from({ length: 5 }, () =>
      stream(budget, { isUnending: true, isParkable: () => false }),
    );
    await pass(1000);
    expect(unending.filter(({ permit }) => permit !== undefined)).toHaveLength(2);
    const requests = [stream(budget, { isUrgent: true }), stream(budget, { isUrgent: true })];
    await pass(0);
    expect(requests.every(({ permit }) => permit !== undefined)).toBe(true);
  });

  test("stop waiting when they are aborted, and leave nothing behind", async () => {
    const tabs = browser();
    const { locks } = tabs;
    const { budget } = tabs.page("page");
    const held = [stream(budget), stream(budget)];
    const waiting = stream(budget, { isParkable: () => false });
    await pass(50);
    waiting.abort.abort(new Error("enough"));
    await pass(0);
    expect(waiting.error).toEqual(new Error("enough"));
    for (const { permit } of held) permit?.release();
    await pass(0);
    expect(locks.heldNames).toEqual([]);
    expect(locks.waiting).toBe(0);
    expect(tabs.openChannels()).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("share the page's own permits where there are no Web Locks", async () => {
    const scope = { ...noScope(), locks: undefined };
    const budget = new SharedBudget(ORIGIN, 2, scope);
    const held = [stream(budget), stream(budget)];
    const waiting = stream(budget);
    await pass(550);
    expect(held.filter(({ permit }) => permit?.isRevoked() === true)).toHaveLength(1);
    await pass(100);
    expect(waiting.permit).toBeDefined();
  });

  test("share the page's own permits where every lock is refused, as in a sandboxed frame", async () => {
    const refuse = (): Promise<never> => Promise.reject(new DOMException("opaque origin", "SecurityError"));
    const locks = { request: refuse, query: refuse } as LockManager;
    const budget = new SharedBudget(ORIGIN, 2, { ...noScope(), locks });
    const all = [stream(budget), stream(budget), stream(budget, { isParkable: () => false })];
    await pass(50);
    expect(all.filter(({ permit }) => permit !== undefined)).toHaveLength(2);
  });
});

describe("several pages", () => {
  test("share the permits: a page in view gets those of a hidden page first", async () => {
    const { page } = browser();
    const [seen, hidden, newcomer] = [page("seen"), page("hidden"), page("newcomer")];
    hidden.isHidden = true;
    const one = stream(seen.budget);
    const other = stream(hidden.budget);
    await pass(2000);
    const third = stream(newcomer.budget);
    await pass(150);
    expect(other.permit?.isRevoked()).toBe(true);
    expect(one.permit?.isRevoked()).toBe(false);
    expect(third.permit).toBeDefined();
  });

  test("in view make room for each other, too", async () => {
    const { page } = browser();
    const first = page("first");
    const held = [stream(first.budget), stream(first.budget)];
    const other = stream(page("other").budget);
    await pass(1000);
    expect(held.filter(({ permit }) => permit?.isRevoked() === true)).toHaveLength(1);
    expect(other.permit).toBeDefined();
  });

  test("that were closed leave their permits to the others", async () => {
    const { locks, page } = browser();
    const gone = page("gone");
    void [1, 2].map(() => stream(gone.budget, { isParkable: () => false }));
    const other = stream(page("other").budget);
    await pass(5000);
    expect(other.permit).toBeUndefined();
    locks.end("gone");
    await pass(0);
    expect(other.permit).toBeDefined();
  });

  test("in the back/forward cache hold no permit and ask for none, and go on when they are shown", async () => {
    const { locks, openChannels, page } = browser();
    const cached = page("cached");
    const held = stream(cached.budget);
    await pass(10);
    cached.leave();
    locks.cache("cached");
    expect(held.permit?.isRevoked()).toBe(true);
    expect(openChannels()).toBe(0);
    const again = stream(cached.budget);
    const others = page("other");
    void [1, 2, 3].map(() => stream(others.budget));
    await pass(5000);
    expect(locks.isCached("cached")).toBe(true);
    expect(again.permit).toBeUndefined();
    expect(openChannels()).toBe(1);
    cached.show();
    await pass(1000);
    expect(again.permit).toBeDefined();
  });

  test("go on too when the page is frozen before they ask again, and leave nothing behind", async () => {
    const { openChannels, page } = browser();
    const cached = page("cached");
    stream(cached.budget);
    await pass(10);
    cached.leave();
    cached.show();
    const again = stream(cached.budget);
    await pass(1000);
    expect(again.permit).toBeDefined();
    expect(openChannels()).toBe(1);
    again.permit?.release();
    expect(openChannels()).toBe(0);
  });
});

describe("by default", () => {
  const use: ConnectionUse = {
    isUrgent: false,
    isUnending: false,
    isParkable: () => true,
    heardAt: () => 0,
  };
  const acquire = async (url: string, max: number | undefined, count: number): Promise<number> => {
    const budget = createBudget(url, max);
    let entered = 0;
    const { signal } = new AbortController();
    setMaxListeners(0, signal);
    for (let n = 0; n < count; n += 1)
      void budget.acquire({ ...use, isParkable: () => false }, signal).then(() => entered++);
    await pass(1000);
    return entered;
  };

  test("there is no limit outside of browsers, and the app's own where it sets one", async () => {
    expect(await acquire(ORIGIN, undefined, 30)).toBe(30);
    expect(await acquire(ORIGIN, 3, 30)).toBe(3);
  });

  test("a browser holds four, over HTTP/2 as many as there are, and as many as the app says", async () => {
    vi.stubGlobal("document", { visibilityState: "visible" });
    vi.stubGlobal("navigator", {});
    const entries = vi.spyOn(performance, "getEntriesByName").mockReturnValue([]);
    expect(await acquire(ORIGIN, undefined, 30)).toBe(4);
    expect(await acquire(ORIGIN, Infinity, 30)).toBe(30);
    entries.mockReturnValue([{ nextHopProtocol: "h2" } as PerformanceResourceTiming]);
    expect(await acquire(ORIGIN, undefined, 30)).toBe(30);
    entries.mockReturnValue([{ nextHopProtocol: "http/1.1" } as PerformanceResourceTiming]);
    expect(await acquire(ORIGIN, undefined, 30)).toBe(4);
    entries.mockRestore();
  });
});

test.each([
  ["hidden", 1],
  ["visible", 0],
])("a page that its browser calls %s makes room for others at once: %i", async (visibilityState, permits) => {
  vi.stubGlobal("document", { visibilityState });
  const locks = new TestLocks();
  const channels = new Set<EventTarget>();
  vi.stubGlobal(
    "BroadcastChannel",
    class extends EventTarget {
      constructor() {
        super();
        channels.add(this);
      }
      postMessage(data: unknown): void {
        for (const other of channels)
          if (other !== this) other.dispatchEvent(new MessageEvent("message", { data }));
      }
      close(): void {
        channels.delete(this);
      }
    },
  );
  const open = (client: string): ConnectionBudget => {
    vi.stubGlobal("navigator", { locks: locks.client(client) });
    // With a limit of the app's own, whatever the protocol.
    return createBudget(ORIGIN, 2);
  };
  const holder = open("holder");
  const held = [stream(holder), stream(holder)];
  await pass(2000);
  const newcomer = stream(open("newcomer"));
  await pass(150);
  expect(held.filter(({ permit }) => permit?.isRevoked() === true)).toHaveLength(permits);
  expect(newcomer.permit === undefined).toBe(permits === 0);
});

function noScope(): BudgetScope {
  return {
    locks: undefined,
    isHidden: () => false,
    openChannel: () => ({ post: () => undefined, close: () => undefined }),
    onLeave: () => () => undefined,
  };
}

test("a clock that was set back starves nobody", async () => {
  const { budget } = browser().page("a");
  const held = [stream(budget), stream(budget)];
  await vi.advanceTimersByTimeAsync(1000);
  vi.setSystemTime(Date.now() - 3_600_000);
  const waiting = stream(budget, { isUrgent: true });
  await vi.advanceTimersByTimeAsync(1000);
  expect(held.filter(({ permit }) => permit?.isRevoked()).length).toBeGreaterThan(0);
  expect(waiting.permit).toBeDefined();
});
