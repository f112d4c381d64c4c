// Reads and writes the slots' records in one IndexedDB database.
import { createStore, promisifyRequest } from "idb-keyval";
import { ResumeError } from "../../errors.js";
import type { Orphan } from "../slots.js";

/** Names one slot; `scope` is the text that `scopeText` makes. */
export interface SlotKey {
  readonly scope: string;
  readonly slot: string;
}

/** What is known of a slot without reading its record. */
export interface Mark extends SlotKey, Orphan {
  /** Who may take the slot where there are no Web Locks; see `acquireByTicket`. */
  readonly ticket: string | undefined;
  /**
   * When the page that holds the slot went into the back/forward cache, in milliseconds since 1970. The field keeps
   * this name because the records of earlier versions have it.
   */
  readonly parkedAt?: number;
}

const OBJECT_STORE = "slots";
const MARK = "mark";
const RECORD = "record";
const ASIDE = "aside";

/** Chromium's names for a value whose file is missing or damaged: this one record, not the database. */
const UNREADABLE = new Set(["DataError", "NotReadableError"]);

/** Safari has been seen to leave IndexedDB requests unanswered for good. */
const ANSWER_LIMIT_SECONDS = 10;

/** Counts awake seconds, so that a laptop that slept through a request does not find it failed. */
function limited<T>(work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    let seconds = 0;
    const timer = setInterval(() => {
      if (++seconds >= ANSWER_LIMIT_SECONDS) {
        clearInterval(timer);
        reject(new DOMException(`IndexedDB did not answer within ${ANSWER_LIMIT_SECONDS} s`, "TimeoutError"));
      }
    }, 1000);
    work.then(resolve, reject).finally(() => clearInterval(timer));
  });
}

/** Parts of an array key cannot run into each other, whatever characters they hold. */
const at = (kind: string, { scope, slot }: SlotKey): string[] => [kind, scope, slot];

const nameOf = (error: unknown): string => (error instanceof Error ? error.name : "");

export type SlotRecords = ReturnType<typeof slotRecords>;

/** The records of all scopes in one IndexedDB database: per slot a small mark, to list, and the text itself. */
export function slotRecords(databaseName: string) {
  let open = createStore(databaseName, OBJECT_STORE);

  const run = async <T>(
    mode: IDBTransactionMode,
    step: (store: IDBObjectStore) => Promise<T>,
  ): Promise<T> => {
    const attempt = () => limited(open(mode, step));
    try {
      return await attempt();
    } catch (error) {
      const name = nameOf(error);
      // A browser may close the connection behind our back (a suspended tab, cleared storage), and idb-keyval
      // keeps what it has opened: without this, one closed connection would fail every later call.
      if (name === "InvalidStateError" || name === "TimeoutError")
        open = createStore(databaseName, OBJECT_STORE);
      if (name === "InvalidStateError") return attempt();
      throw error;
    }
  };
  const change = (step: (store: IDBObjectStore) => void): Promise<void> =>
    run("readwrite", (store) => {
      step(store);
      // At once, without waiting for events: a page that is being left may get no more of those.
      store.transaction.commit();
      return promisifyRequest(store.transaction);
    });
  const read = (key: SlotKey): Promise<unknown> =>
    run("readonly", (store) => promisifyRequest<unknown>(store.get(at(RECORD, key))));

  return {
    list: (): Promise<readonly Mark[]> =>
      // An array sorts after every string: this is every key that begins with MARK.
      run("readonly", (store) => promisifyRequest(store.getAll(IDBKeyRange.bound([MARK], [MARK, []])))),

    async read(key: SlotKey): Promise<string | undefined> {
      let value: unknown;
      let cause: unknown;
      try {
        value = await read(key);
        if (value === undefined || typeof value === "string") return value;
      } catch (error) {
        if (!UNREADABLE.has(nameOf(error))) throw error;
        cause = error;
      }
      throw new ResumeError("state-corrupt", `the saved state of ${key.scope} cannot be read`, { cause });
    },

    write: (mark: Mark, text: string): Promise<void> =>
      change((store) => {
        store.put(mark, at(MARK, mark));
        store.put(text, at(RECORD, mark));
      }),

    /** Changes the mark alone. */
    mark: (mark: Mark): Promise<void> => change((store) => void store.put(mark, at(MARK, mark))),

    remove: (key: SlotKey): Promise<void> =>
      change((store) => {
        store.delete(at(MARK, key));
        store.delete(at(RECORD, key));
      }),

    /** Keeps the one record that was set aside last, whichever scope it is of: more would pile up unseen. */
    async setAside(key: SlotKey): Promise<void> {
      const value = await read(key).catch(() => undefined);
      await change((store) => {
        store.put({ ...key, value, setAsideAt: Date.now() }, ASIDE);
        store.delete(at(MARK, key));
        store.delete(at(RECORD, key));
      });
    },

    /** Changes the slot's ticket in one step, if it is still the one shown. @returns whether it was */
    claim: (key: SlotKey, shown: string, next: string): Promise<boolean> =>
      run("readwrite", async (store) => {
        const mark = await promisifyRequest<Mark | undefined>(store.get(at(MARK, key)));
        if (mark?.ticket !== shown) return false;
        store.put({ ...mark, ticket: next } satisfies Mark, at(MARK, key));
        await promisifyRequest(store.transaction);
        return true;
      }),
  };
}
