// Makes the IndexedDB store of one page or worker, whatever that page offers besides IndexedDB.
import { ResumeError } from "../../errors.js";
import type { StateStore } from "../../state/state-store.js";
import type { PageEnvironment } from "./page-environment.js";
import { createSlot, scopeText, stateUnavailable, checkSlotOptions, type SlotOptions } from "../slots.js";
import { acquireByLock, acquireByTicket } from "./claims.js";
import { type SlotKey, slotRecords } from "./record-database.js";

export interface IndexedDBStoreOptions extends SlotOptions {
  /** The IndexedDB database, which must be this store's alone. @defaultValue "resumable-mcp" */
  readonly databaseName?: string;
}

/** The IndexedDB store of one page; `indexedDBStore` gives it the page in which it runs. */
export function browserStore(environment: PageEnvironment, given: IndexedDBStoreOptions): StateStore {
  const { databaseName = "resumable-mcp" } = given;
  if (databaseName === "")
    throw new ResumeError("invalid-option", "databaseName is empty; it must be a name");
  const records = slotRecords(databaseName);
  const source = { environment, records, databaseName, options: checkSlotOptions(given) };
  const place = `the IndexedDB database "${databaseName}"`;

  return {
    async acquire(given, signal) {
      signal.throwIfAborted();
      const scope = scopeText(given);
      try {
        const { locks } = environment;
        const acquired = await (locks
          ? acquireByLock(source, locks, scope, signal)
          : acquireByTicket(source, scope));
        if (signal.aborted) await acquired.release();
        signal.throwIfAborted();
        const { slot, ticket } = acquired;
        const key: SlotKey = { scope, slot };
        let { savedAt } = acquired;
        const forgetPage = environment.onLeave((mayReturn) => {
          // If this fails, the next new tab takes the slot, and the page is loaded anew when one goes back to it.
          if (mayReturn && savedAt !== undefined)
            records.mark({ ...key, savedAt, ticket, parkedAt: Date.now() }).catch(() => undefined);
        });
        return createSlot(place, {
          read: () => records.read(key),
          async write(text) {
            savedAt = Date.now();
            await records.write({ ...key, savedAt, ticket }, text);
          },
          async remove() {
            savedAt = undefined;
            await records.remove(key);
          },
          async setAside() {
            savedAt = undefined;
            await records.setAside(key);
          },
          unlock() {
            forgetPage();
            return acquired.release();
          },
        });
      } catch (error) {
        signal.throwIfAborted();
        throw stateUnavailable(place, error);
      }
    },
  };
}
