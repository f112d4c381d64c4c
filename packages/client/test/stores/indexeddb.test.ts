import "fake-indexeddb/auto";
import { stateStoreSuite } from "@resumable-mcp/testing/state-store-suite";
import { createStore, promisifyRequest } from "idb-keyval";
import { afterEach, describe, expect, it, vi } from "vitest";
import { browserStore } from "../../src/stores/indexeddb/browser-store.js";
import { indexedDBStore } from "../../src/stores/indexeddb/indexeddb-store.js";
import { FakeBrowser } from "./fake-tabs.js";

const scope = { serverUrl: "https://mcp.example/mcp", partition: "alice" };
const { signal } = new AbortController();

/** Puts a number where the store keeps text. */
const corrupt = (databaseName: string): Promise<void> =>
  createStore(databaseName, "slots")("readwrite", async (store) => {
    for (const key of await promisifyRequest(store.getAllKeys()))
      if (Array.isArray(key) && key[0] === "record") store.put(42, key);
    await promisifyRequest(store.transaction);
  });

stateStoreSuite(
  { describe, it },
  {
    name: "indexedDBStore with Web Locks",
    create() {
      const browser = new FakeBrowser();
      const databaseName = crypto.randomUUID();
      return { databaseName, open: () => browserStore(browser.tab(), { databaseName }) };
    },
    corrupt: ({ databaseName }) => corrupt(databaseName),
  },
);

stateStoreSuite(
  { describe, it },
  {
    name: "indexedDBStore without Web Locks, in one tab",
    create() {
      // Nothing is adopted across tabs there: the suite's clients follow one another in one tab.
      const page = new FakeBrowser({ hasLocks: false }).tab();
      const databaseName = crypto.randomUUID();
      return { databaseName, open: () => browserStore(page, { databaseName }) };
    },
    corrupt: ({ databaseName }) => corrupt(databaseName),
  },
);

describe("indexedDBStore", () => {
  afterEach(() => {
    vi.useRealTimers();
    vi.restoreAllMocks();
    vi.unstubAllGlobals();
  });

  const open = (databaseName: string = crypto.randomUUID()) =>
    browserStore(new FakeBrowser().tab(), { databaseName });

  it("says state-unavailable, with the cause, where IndexedDB is forbidden, and works once it is not", async () => {
    const store = open();
    const forbidden = new DOMException("The operation is insecure.", "SecurityError");
    vi.stubGlobal("indexedDB", {
      open() {
        throw forbidden;
      },
    });
    await expect(store.acquire(scope, signal)).rejects.toMatchObject({
      code: "state-unavailable",
      cause: forbidden,
    });
    vi.unstubAllGlobals();
    const slot = await store.acquire(scope, signal);
    await slot.save({ n: 1 });
    await slot.release();
  });

  it("says state-unavailable where there is no IndexedDB at all", async () => {
    vi.stubGlobal("indexedDB", undefined);
    await expect(indexedDBStore().acquire(scope, signal)).rejects.toMatchObject({
      code: "state-unavailable",
    });
  });

  it("does not let one failed open fail the next", async () => {
    const store = open();
    const broken = new DOMException("Internal error opening backing store.", "UnknownError");
    vi.spyOn(indexedDB, "open").mockImplementationOnce(() => {
      const request = { error: broken, onerror: () => undefined };
      queueMicrotask(() => request.onerror());
      // Of a request that fails, error and onerror are all that is looked at.
      return request as unknown as IDBOpenDBRequest;
    });
    await expect(store.acquire(scope, signal)).rejects.toMatchObject({
      code: "state-unavailable",
      cause: broken,
    });
    await (await store.acquire(scope, signal)).release();
  });

  it("opens the database again when the browser closed it behind its back", async () => {
    const slot = await open().acquire(scope, signal);
    await slot.save({ n: 1 });
    vi.spyOn(IDBDatabase.prototype, "transaction").mockImplementationOnce(() => {
      throw new DOMException("The database connection is closing.", "InvalidStateError");
    });
    await slot.save({ n: 2 });
    expect(await slot.load()).toEqual({ n: 2 });
    await slot.release();
  });

  it("says state-unavailable when the quota is used up, and keeps the record that was there", async () => {
    const slot = await open().acquire(scope, signal);
    await slot.save({ n: 1 });
    const full = new DOMException("The quota has been exceeded.", "QuotaExceededError");
    vi.spyOn(IDBObjectStore.prototype, "put").mockImplementationOnce(() => {
      throw full;
    });
    await expect(slot.save({ n: 2 })).rejects.toMatchObject({ code: "state-unavailable", cause: full });
    expect(await slot.load()).toEqual({ n: 1 });
    await slot.release();
  });

  it("says state-unavailable when IndexedDB does not answer within ten seconds, and tries again", async () => {
    const store = open();
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    const silent = vi.spyOn(indexedDB, "open").mockReturnValueOnce(new EventTarget() as IDBOpenDBRequest);
    const acquired = store.acquire(scope, signal);
    const failed = expect(acquired).rejects.toMatchObject({
      code: "state-unavailable",
      cause: { name: "TimeoutError" },
    });
    await vi.waitFor(() => expect(silent).toHaveBeenCalled());
    await vi.advanceTimersByTimeAsync(10_000);
    await failed;
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
    await (await store.acquire(scope, signal)).release();
  });

  it("takes a value that the browser can no longer read for one corrupt record, not for a broken database", async () => {
    const slot = await open().acquire(scope, signal);
    await slot.save({ n: 1 });
    const lost = new DOMException("Data lost due to missing file.", "NotReadableError");
    vi.spyOn(IDBObjectStore.prototype, "get").mockImplementation(() => {
      throw lost;
    });
    await expect(slot.load()).rejects.toMatchObject({ code: "state-corrupt", cause: lost });
    await slot.setAside();
    vi.restoreAllMocks();
    expect(await slot.load()).toBeUndefined();
    await slot.release();
  });

  it("keeps a copy of the record that was set aside last", async () => {
    const databaseName = crypto.randomUUID();
    const slot = await open(databaseName).acquire(scope, signal);
    for (const n of [1, 2]) {
      await slot.save({ n });
      await slot.setAside();
    }
    const kept = await createStore(databaseName, "slots")("readonly", (store) =>
      promisifyRequest(store.getAll()),
    );
    expect(kept).toEqual([expect.objectContaining({ value: '{"n":2}' })]);
    await slot.release();
  });

  it.each([
    { databaseName: "" },
    { slotName: "Sync" },
    { waitMs: -1 },
    { maxOrphans: 0 },
    { orphanMaxAgeMs: 1 },
  ])("refuses the option %j", (options) => {
    const [name = ""] = Object.keys(options);
    expect(() => indexedDBStore(options)).toThrow(
      expect.objectContaining({ code: "invalid-option", message: expect.stringContaining(name) as string }),
    );
  });
});
