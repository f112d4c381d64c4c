// Describes what a page or a worker offers the IndexedDB store besides IndexedDB, and remembers slots in sessionStorage.

/**
 * What a page, a worker or a service worker gives the IndexedDB store besides IndexedDB.
 * Any of it may be missing: workers have no sessionStorage, plain-HTTP pages no Web Locks.
 */
export interface PageEnvironment {
  readonly locks: LockManager | undefined;
  /** Throws in a sandboxed frame, and where a person has forbidden storage. */
  readonly sessionStorage: Storage | undefined;
  /** Which slots clients in this page hold, under which list of `remember`, in the order in which they took them. */
  readonly held: Set<{ readonly list: string; readonly slot: string }>;
  /** Calls back when the page is left; `mayReturn` when the browser may show this same page again. */
  onLeave(listener: (mayReturn: boolean) => void): () => void;
}

interface Globals {
  readonly navigator?: { readonly locks?: LockManager };
  readonly sessionStorage?: Storage;
  addEventListener?(type: "pagehide", listener: (event: PageTransitionEvent) => void): void;
  removeEventListener?(type: "pagehide", listener: (event: PageTransitionEvent) => void): void;
}

/** The page or worker in which this runs, looked at anew at each use. */
export const thisPageEnvironment: PageEnvironment = {
  get locks() {
    return (globalThis as Globals).navigator?.locks;
  },
  get sessionStorage() {
    return (globalThis as Globals).sessionStorage;
  },
  held: new Set(),
  // Not "unload": a listener for that one keeps a page out of the back/forward cache.
  onLeave(listener) {
    const globals: Globals = globalThis;
    const leave = (event: PageTransitionEvent) => listener(event.persisted);
    globals.addEventListener?.("pagehide", leave);
    return () => globals.removeEventListener?.("pagehide", leave);
  },
};

/** The list that sessionStorage keeps under a key; empty when there is none or it cannot be read. */
export function recall(environment: PageEnvironment, key: string): readonly string[] {
  try {
    const list: unknown = JSON.parse(environment.sessionStorage?.getItem(key) ?? "[]");
    return Array.isArray(list) ? list.filter((item) => typeof item === "string") : [];
  } catch {
    // Forgetting which slot was ours costs an adoption; if storage is forbidden altogether, IndexedDB says so.
    return [];
  }
}

/** Puts a list into sessionStorage, at most 20 items of it. */
export function remember(environment: PageEnvironment, key: string, list: readonly string[]): void {
  try {
    environment.sessionStorage?.setItem(key, JSON.stringify(list.slice(0, 20)));
  } catch {
    // As in `recall`: full or forbidden.
  }
}
