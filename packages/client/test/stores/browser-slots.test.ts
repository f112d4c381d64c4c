import "fake-indexeddb/auto";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { browserStore, type IndexedDBStoreOptions } from "../../src/stores/indexeddb/browser-store.js";
import { FakeBrowser, type FakePage } from "./fake-tabs.js";

const scope = { serverUrl: "https://mcp.example/mcp", partition: "alice" };
const { signal } = new AbortController();

let databaseName = "";
beforeEach(() => {
  databaseName = crypto.randomUUID();
});

const acquire = (page: FakePage, options: IndexedDBStoreOptions = {}, until = signal) =>
  browserStore(page, { databaseName, waitMs: 100, ...options }).acquire(scope, until);
const acquireAndSave = async (page: FakePage, record: unknown, options: IndexedDBStoreOptions = {}) => {
  const slot = await acquire(page, options);
  await slot.save(record);
  return slot;
};
const load = async (page: FakePage, options: IndexedDBStoreOptions = {}) =>
  (await acquire(page, options)).load();

describe("slots under Web Locks", () => {
  let browser = new FakeBrowser();
  beforeEach(() => {
    browser = new FakeBrowser();
  });

  it("gives a reloaded page its own slot, though another tab left a newer one", async () => {
    const page = browser.tab();
    await acquireAndSave(page, { of: "this tab" });
    const closed = browser.tab();
    await acquireAndSave(closed, { of: "closed tab" });
    closed.die();
    expect(await load(page.reload())).toEqual({ of: "this tab" });
  });

  it("waits for its own slot while the page before it is still ending", async () => {
    const page = browser.tab();
    await acquireAndSave(page, { n: 1 });
    page.leave();
    const reloaded = acquire(page.next(), { waitMs: 60_000 });
    await vi.waitFor(() => expect(browser.locks.waiting).toBe(1));
    page.die();
    expect(await (await reloaded).load()).toEqual({ n: 1 });
  });

  it("gives a duplicated tab another slot", async () => {
    const parent = browser.tab();
    const slot = await acquireAndSave(parent, { of: "parent" });
    expect(await load(parent.duplicate())).toBeUndefined();
    expect(await slot.load()).toEqual({ of: "parent" });
    expect(browser.locks.waiting).toBe(0);
  });

  it("gives a reloaded duplicate its own slot, also when its parent was closed meanwhile", async () => {
    const parent = browser.tab();
    await acquireAndSave(parent, { of: "parent" });
    const duplicate = parent.duplicate();
    await acquireAndSave(duplicate, { of: "duplicate" });
    parent.die();
    expect(await load(duplicate.reload())).toEqual({ of: "duplicate" });
  });

  it("lets a duplicated tab take over what a closed tab left", async () => {
    const closed = browser.tab();
    await acquireAndSave(closed, { of: "closed tab" });
    const parent = browser.tab();
    await acquireAndSave(parent, { of: "parent" });
    closed.die();
    expect(await load(parent.duplicate())).toEqual({ of: "closed tab" });
  });

  it("lets a new tab take over what the last closed tab left, and a second one what the tab before left", async () => {
    const tabs = [browser.tab(), browser.tab()];
    const clock = vi.spyOn(Date, "now");
    for (const [n, tab] of tabs.entries()) {
      clock.mockReturnValue(1_700_000_000_000 + n);
      await acquireAndSave(tab, { n });
    }
    for (const tab of tabs) tab.die();
    const [first, second, third] = [browser.tab(), browser.tab(), browser.tab()];
    expect([await load(first), await load(second), await load(third)]).toEqual([
      { n: 1 },
      { n: 0 },
      undefined,
    ]);
    clock.mockRestore();
  });

  it("gives two clients of one page a slot each without waiting, and both the same again after a reload", async () => {
    const page = browser.tab();
    const patient = { waitMs: 60_000 };
    await acquireAndSave(page, { client: 1 }, patient);
    await acquireAndSave(page, { client: 2 }, patient);
    const reloaded = page.reload();
    expect([await load(reloaded, patient), await load(reloaded, patient)]).toEqual([
      { client: 1 },
      { client: 2 },
    ]);
    expect(await load(reloaded, patient)).toBeUndefined();
  });

  it("leaves a page in the back/forward cache its slot while other tabs start, whatever is left to take", async () => {
    const page = browser.tab();
    const slot = await acquireAndSave(page, { of: "cached page" });
    page.hide();
    expect(await load(browser.tab(), { maxOrphans: 1 })).toBeUndefined();
    expect(await load(browser.worker())).toBeUndefined();
    expect(page.isCached).toBe(true);
    // Shown again, saved, and closed: now it may be taken over.
    await slot.save({ of: "cached page", n: 2 });
    page.reload().die();
    expect(await load(browser.tab())).toEqual({ of: "cached page", n: 2 });
  });

  it("lets other tabs take over what a page left in the back/forward cache once no cache can still have it", async () => {
    const clock = vi.spyOn(Date, "now").mockReturnValue(1_700_000_000_000);
    const page = browser.tab();
    await acquireAndSave(page, { n: 1 });
    page.hide();
    page.die();
    expect(await load(browser.tab())).toBeUndefined();
    clock.mockReturnValue(1_700_000_000_000 + 31 * 60_000);
    expect(await load(browser.tab())).toEqual({ n: 1 });
    clock.mockRestore();
  });

  it("goes on in the next page of the same tab at once, though the page before is in the back/forward cache", async () => {
    const page = browser.tab();
    await acquireAndSave(page, { n: 1 });
    page.hide();
    expect(await load(page.next(), { waitMs: 60_000 })).toEqual({ n: 1 });
    expect(page.isCached).toBe(false);
  });

  it("remembers the slot of a page that came back before that of a later page of the tab", async () => {
    const page = browser.tab();
    await acquireAndSave(page, { partition: "alice" });
    page.hide();
    const second = page.next();
    // Another client of the second page wrote over what this tab remembers.
    page.sessionStorage?.setItem(page.sessionStorage.key(0) ?? "", '["another"]');
    second.die();
    expect(await load(page.reload())).toEqual({ partition: "alice" });
  });

  it("gives a worker the slot of its name, and nobody else", async () => {
    const named = { slotName: "sync" };
    const worker = browser.worker();
    await acquireAndSave(worker, { of: "worker" }, named);
    worker.die();
    expect(await load(browser.tab())).toBeUndefined();
    expect(await load(browser.worker())).toBeUndefined();
    const tab = browser.tab();
    await acquireAndSave(tab, { of: "tab" });
    tab.die();
    expect(await load(browser.worker(), named)).toEqual({ of: "worker" });
  });

  it("gives a second worker of the same name another slot", async () => {
    const named = { slotName: "sync" };
    await acquireAndSave(browser.worker(), { of: "worker" }, named);
    expect(await load(browser.worker(), named)).toBeUndefined();
  });

  it("ends the wait for its own slot with the signal's reason, and holds nothing then", async () => {
    const parent = browser.tab();
    await acquireAndSave(parent, { n: 1 });
    const duplicate = parent.duplicate();
    const controller = new AbortController();
    const acquired = acquire(duplicate, { waitMs: 60_000 }, controller.signal);
    const reason = new Error("closed");
    await vi.waitFor(() => expect(browser.locks.waiting).toBe(1));
    controller.abort(reason);
    await expect(acquired).rejects.toBe(reason);
    expect([
      browser.locks.heldNames.length,
      browser.locks.waiting,
      duplicate.listeners,
      duplicate.held.size,
    ]).toEqual([1, 0, 0, 0]);
  });

  it("leaves no lock and no listener behind after release", async () => {
    const page = browser.tab();
    const slot = await acquireAndSave(page, { n: 1 });
    expect(page.listeners).toBeGreaterThan(0);
    await slot.release();
    expect([browser.locks.heldNames, page.listeners, page.held.size]).toEqual([[], 0, 0]);
  });

  it("does without sessionStorage where it is forbidden: it takes over what was left", async () => {
    const page = browser.tab();
    await acquireAndSave(page, { n: 1 });
    page.die();
    const forbidden = browser.tab();
    vi.spyOn(forbidden, "sessionStorage", "get").mockImplementation(() => {
      throw new DOMException("The operation is insecure.", "SecurityError");
    });
    expect(await load(forbidden)).toEqual({ n: 1 });
  });

  it("is not misled by nonsense in sessionStorage", async () => {
    const page = browser.tab();
    const slot = await acquireAndSave(page, { n: 1 });
    await slot.release();
    const key = page.sessionStorage?.key(0) ?? "";
    for (const nonsense of ["", "{", "null", "[[1]]", '{"a":1}']) {
      page.sessionStorage?.setItem(key, nonsense);
      const again = await acquire(page);
      expect(await again.load()).toEqual({ n: 1 });
      await again.release();
    }
  });

  it("removes orphans that are too many or too old, in every scope, but nothing that a page holds", async () => {
    const clock = vi.spyOn(Date, "now").mockReturnValue(1_700_000_000_000);
    const live = browser.tab();
    const liveSlot = await acquireAndSave(live, { of: "live" });
    const bob = browser.tab();
    const bobsSlot = await browserStore(bob, { databaseName }).acquire(
      { ...scope, partition: "bob" },
      signal,
    );
    await bobsSlot.save({ of: "bob" });
    bob.die();
    clock.mockReturnValue(1_700_000_100_000);
    const tabs = [0, 1, 2].map(() => browser.tab());
    for (const [n, tab] of tabs.entries()) {
      clock.mockReturnValue(1_700_000_100_000 + n);
      await acquireAndSave(tab, { n });
    }
    for (const tab of tabs) tab.die();

    const limits = { maxOrphans: 2, orphanMaxAgeMs: 60_000 };
    const found = [await load(browser.tab(), limits), await load(browser.tab()), await load(browser.tab())];
    expect(found).toEqual([{ n: 2 }, { n: 1 }, undefined]);
    const bobsNext = await browserStore(browser.tab(), { databaseName }).acquire(
      { ...scope, partition: "bob" },
      signal,
    );
    expect(await bobsNext.load()).toBeUndefined();
    expect(await liveSlot.load()).toEqual({ of: "live" });
    clock.mockRestore();
  });
});

describe("slots without Web Locks", () => {
  let browser = new FakeBrowser({ hasLocks: false });
  beforeEach(() => {
    browser = new FakeBrowser({ hasLocks: false });
  });

  it("gives a reloaded page its own slot, again and again", async () => {
    let page = browser.tab();
    await acquireAndSave(page, { n: 0 });
    for (const n of [1, 2, 3]) {
      page = page.reload();
      const slot = await acquire(page);
      expect(await slot.load()).toEqual({ n: n - 1 });
      await slot.save({ n });
    }
  });

  it("never takes over what another tab left, closed or crashed", async () => {
    const closed = browser.tab();
    await acquireAndSave(closed, { of: "closed tab" });
    closed.leave();
    closed.die();
    const crashed = browser.tab();
    await acquireAndSave(crashed, { of: "crashed tab" });
    crashed.die();
    expect(await load(browser.tab())).toBeUndefined();
    expect(await load(crashed.next())).toBeUndefined();
  });

  it("gives a duplicated tab another slot, whenever it was duplicated", async () => {
    const parent = browser.tab();
    await acquireAndSave(parent, { of: "parent" });
    const early = parent.duplicate();
    expect(await load(early)).toBeUndefined();

    parent.leave();
    const amidReload = parent.duplicate();
    const [one, other] = await Promise.all([load(parent.next()), load(amidReload)]);
    expect([one, other].filter((record) => record !== undefined)).toEqual([{ of: "parent" }]);
  });

  it("does not let a ticket be used twice", async () => {
    const page = browser.tab();
    await acquireAndSave(page, { n: 1 });
    page.leave();
    const copy = page.duplicate();
    expect(await load(page.next())).toEqual({ n: 1 });
    expect(await load(copy)).toBeUndefined();
  });

  it("leaves its slot to nobody while the back/forward cache may bring the page back", async () => {
    const page = browser.tab();
    const slot = await acquireAndSave(page, { of: "first page" });
    page.hide();
    expect(await load(page.next())).toBeUndefined();
    // Shown again, saved, reloaded.
    await slot.save({ of: "first page", n: 2 });
    expect(await load(page.reload())).toEqual({ of: "first page", n: 2 });
  });

  it("gives two clients of one page their slots again after a reload", async () => {
    const page = browser.tab();
    await acquireAndSave(page, { client: 1 });
    await acquireAndSave(page, { client: 2 });
    const reloaded = page.reload();
    expect([await load(reloaded), await load(reloaded), await load(reloaded)]).toEqual([
      { client: 1 },
      { client: 2 },
      undefined,
    ]);
  });

  it("always starts anew in a worker, which has nothing to keep a ticket in", async () => {
    const worker = browser.worker();
    await acquireAndSave(worker, { n: 1 }, { slotName: "sync" });
    worker.die();
    expect(await load(browser.worker(), { slotName: "sync" })).toBeUndefined();
  });

  it("removes records that are too many or too old", async () => {
    const clock = vi.spyOn(Date, "now").mockReturnValue(1_700_000_000_000);
    const pages = [0, 1, 2].map(() => browser.tab());
    for (const [n, page] of pages.entries()) {
      clock.mockReturnValue(1_700_000_000_000 + n * 40_000);
      await acquireAndSave(page, { n });
    }
    await acquire(browser.tab(), { orphanMaxAgeMs: 60_000 });
    expect(await Promise.all(pages.map((page) => load(page.reload())))).toEqual([
      undefined,
      { n: 1 },
      { n: 2 },
    ]);
    await acquire(browser.tab(), { maxOrphans: 1 });
    expect(await Promise.all(pages.map((page) => load(page.next())))).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    clock.mockRestore();
  });
});
