// Exports the IndexedDB store, as it runs in the page or worker that imports it.
import type { StateStore } from "../../state/state-store.js";
import { browserStore, type IndexedDBStoreOptions } from "./browser-store.js";
import { thisPageEnvironment } from "./page-environment.js";

export type { IndexedDBStoreOptions } from "./browser-store.js";

/**
 * Keeps state in IndexedDB, for pages, workers and service workers. It survives reloads, crashes and restarts of the
 * browser. A slot belongs to one live client, by Web Locks: a tab gets its own slot back after a reload
 * (sessionStorage remembers which), a duplicated tab gets another one, and a new tab takes over what a closed tab of
 * the same server and partition left. Give a worker a `slotName`: it has no sessionStorage.
 *
 * A page in the back/forward cache keeps its slot, and other tabs leave it alone for half an hour. When the next page
 * of its own tab uses the store too, that one goes on with the slot at once; the browser then loads the first page
 * anew when one goes back to it.
 *
 * Where a page is served over plain HTTP there are no Web Locks: state then survives reloads of the same tab,
 * and nothing is taken over.
 *
 * @throws {ResumeError} `invalid-option`
 */
export function indexedDBStore(options: IndexedDBStoreOptions = {}): StateStore {
  return browserStore(thisPageEnvironment, options);
}
