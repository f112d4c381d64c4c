import type { PageEnvironment } from "../../src/stores/indexeddb/page-environment.js";
import { TestLocks } from "./web-locks.js";

/** A `Storage` like one tab's sessionStorage. */
class TestStorage implements Storage {
  readonly #items: Map<string, string>;
  [name: string]: unknown;

  constructor(items: Iterable<readonly [string, string]> = []) {
    this.#items = new Map(items);
  }
  get length(): number {
    return this.#items.size;
  }
  key(index: number): string | null {
    return [...this.#items.keys()][index] ?? null;
  }
  getItem(key: string): string | null {
    return this.#items.get(key) ?? null;
  }
  setItem(key: string, value: string): void {
    this.#items.set(key, value);
  }
  removeItem(key: string): void {
    this.#items.delete(key);
  }
  clear(): void {
    this.#items.clear();
  }
  copy(): TestStorage {
    return new TestStorage(this.#items);
  }
}

/** A page (or worker) of a browser: one life of a script. */
export class FakePage implements PageEnvironment {
  readonly locks: LockManager | undefined;
  readonly sessionStorage: TestStorage | undefined;
  readonly held = new Set<{ readonly list: string; readonly slot: string }>();
  readonly #listeners = new Set<(mayReturn: boolean) => void>();
  readonly #clientId = crypto.randomUUID();
  readonly #browser: FakeBrowser;

  constructor(browser: FakeBrowser, sessionStorage: TestStorage | undefined) {
    this.#browser = browser;
    this.locks = browser.hasLocks ? browser.locks.client(this.#clientId) : undefined;
    this.sessionStorage = sessionStorage;
  }

  onLeave(listener: (mayReturn: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
  get listeners(): number {
    return this.#listeners.size;
  }

  /** `pagehide`, as when another page is opened in the tab; the page goes into the back/forward cache. */
  hide(): void {
    for (const listener of [...this.#listeners]) listener(true);
    this.#browser.locks.cache(this.#clientId);
  }
  /** Whether the back/forward cache still has the page. */
  get isCached(): boolean {
    return this.#browser.locks.isCached(this.#clientId);
  }
  /** `pagehide` for good. The locks are released only with `die`, as the browser gets round to it. */
  leave(): void {
    for (const listener of [...this.#listeners]) listener(false);
  }
  /** The page's end, with or without notice. */
  die(): void {
    this.#browser.locks.end(this.#clientId);
  }
  /** The next page in the same tab. */
  next(): FakePage {
    return new FakePage(this.#browser, this.sessionStorage);
  }
  /** "Duplicate tab", or `window.open`: the new tab starts with a copy of sessionStorage. */
  duplicate(): FakePage {
    return new FakePage(this.#browser, this.sessionStorage?.copy());
  }
  reload(): FakePage {
    this.leave();
    this.die();
    return this.next();
  }
}

/** Tabs of one browser on one origin. IndexedDB is the global one. */
export class FakeBrowser {
  readonly locks = new TestLocks();
  readonly hasLocks: boolean;

  constructor(options: { readonly hasLocks: boolean } = { hasLocks: true }) {
    this.hasLocks = options.hasLocks;
  }
  tab(): FakePage {
    return new FakePage(this, new TestStorage());
  }
  worker(): FakePage {
    return new FakePage(this, undefined);
  }
}
