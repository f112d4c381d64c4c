// Decides which slot of the IndexedDB store a page gets, and holds it: by a Web Lock, or by a ticket where there are none.
import { follow } from "../../wait/abortable.js";
import { lock, type Unlock } from "../../wait/web-lock.js";
import { excessOf, newestFirst, type SlotOptions } from "../slots.js";
import { recall, remember, type PageEnvironment } from "./page-environment.js";
import type { SlotKey, SlotRecords } from "./record-database.js";

/** Where the IndexedDB store's slots come from: the page it runs in, the records there, the store's options. */
export interface SlotSource {
  readonly environment: PageEnvironment;
  readonly records: SlotRecords;
  readonly databaseName: string;
  readonly options: Required<Omit<SlotOptions, "slotName">> & SlotOptions;
}

/** A slot that is this client's until `release`. */
export interface Acquired {
  readonly slot: string;
  /** When its record was saved; `undefined` when it has none, or where that does not matter. */
  readonly savedAt: number | undefined;
  /** To be saved with the record, where there are no locks. */
  readonly ticket: string | undefined;
  release(): Promise<void>;
}

/** 128 random bits. Not `randomUUID`, which plain-HTTP pages do not have. */
const newSlotId = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join(
    "",
  );

const NAMED = "name:";

/** How long the back/forward caches keep a page, in milliseconds: Firefox half an hour, Chromium ten minutes. */
const BACK_FORWARD_CACHE_MS = 1_800_000;

const ifAvailable: LockOptions = { ifAvailable: true };

/** As {@link lock}, but waits for its turn. @throws `signal.reason` when aborted */
async function lockWithin(
  locks: LockManager,
  name: string,
  waitMs: number,
  signal: AbortSignal,
): Promise<Unlock | undefined> {
  const limit = follow(signal);
  const timer = setTimeout(() => limit.abort(), waitMs);
  try {
    return await lock(locks, name, { signal: limit.signal });
  } catch (error) {
    signal.throwIfAborted();
    if (!limit.signal.aborted) throw error;
    return undefined;
  } finally {
    clearTimeout(timer);
    limit.abort();
  }
}

/**
 * A slot belongs to whoever holds the Web Lock of its name, so it becomes free by itself when a page dies.
 *
 * A page in the back/forward cache still holds its lock, and is thrown out of the cache by any request for that name
 * and by `navigator.locks.query()`, whatever is asked (measured in Chromium 156; Web Platform Tests,
 * web-locks/bfcache). So nothing is queried here. A page that may come back says so in its mark, and other tabs do not
 * ask for its slot; only the next page of its own tab does, which goes on with it.
 */
export async function acquireByLock(
  { environment, records, options, databaseName }: SlotSource,
  locks: LockManager,
  scope: string,
  signal: AbortSignal,
): Promise<Acquired> {
  const lockName = (key: SlotKey) => JSON.stringify(["resumable-mcp", databaseName, key.scope, key.slot]);
  const list = lockName({ scope, slot: "" });
  const heldHere = () =>
    [...environment.held].filter((holding) => holding.list === list).map(({ slot }) => slot);
  const ownName = options.slotName === undefined ? undefined : NAMED + options.slotName;
  // sessionStorage is copied to a duplicated tab, so it tells what this tab may have had, this page's own first,
  // and the locks tell what of it is free to take.
  const ownSlots = () => (ownName === undefined ? recall(environment, list) : [ownName]);
  const rememberHeld = () => {
    if (ownName === undefined)
      remember(environment, list, [...new Set([...heldHere(), ...recall(environment, list)])]);
  };

  const take = async (
    slot: string,
    savedAt: number | undefined,
    request: (name: string) => Promise<Unlock | undefined>,
  ): Promise<Acquired | undefined> => {
    // Even before it is ours: a second client of this page must not wait for the same slot.
    const holding = { list, slot };
    environment.held.add(holding);
    let unlock: Unlock | undefined;
    try {
      unlock = await request(lockName({ scope, slot }));
    } finally {
      if (!unlock) environment.held.delete(holding);
    }
    if (!unlock) return undefined;
    rememberHeld();
    // A later page of this tab may have put its own slots first while this one was in the cache.
    const forgetPage = environment.onLeave(rememberHeld);
    return {
      slot,
      savedAt,
      ticket: undefined,
      release() {
        forgetPage();
        environment.held.delete(holding);
        return unlock();
      },
    };
  };
  const takeIfFree = (slot: string, savedAt?: number) =>
    take(slot, savedAt, (name) => lock(locks, name, ifAvailable));

  const now = Date.now();
  const all = await records.list();
  const orphans = all.filter(({ parkedAt: cachedAt = 0 }) => now - cachedAt >= BACK_FORWARD_CACHE_MS);
  const mayBeOurs = [...ownSlots(), ...heldHere()];
  const excess = excessOf(
    orphans.filter((mark) => mark.scope !== scope || !mayBeOurs.includes(mark.slot)),
    options,
    now,
  );
  for (const mark of excess) {
    const unlock = await lock(locks, lockName(mark), ifAvailable);
    if (unlock) await records.remove(mark).finally(unlock);
  }

  let acquired: Acquired | undefined;
  const own = ownSlots().find((slot) => !heldHere().includes(slot));
  if (own !== undefined) {
    const savedAt = all.find((mark) => mark.scope === scope && mark.slot === own)?.savedAt;
    acquired = await take(own, savedAt, (name) => lockWithin(locks, name, options.waitMs, signal));
  }
  for (const mark of newestFirst(orphans)) {
    if (acquired) break;
    if (mark.scope !== scope || excess.includes(mark) || heldHere().includes(mark.slot)) continue;
    // A slot with a name waits for the client of that name.
    if (!mark.slot.startsWith(NAMED)) acquired = await takeIfFree(mark.slot, mark.savedAt);
  }
  acquired ??= await takeIfFree(newSlotId());
  if (!acquired) throw new Error("the lock of a name that nobody else knows was refused");
  return acquired;
}

/**
 * Without Web Locks (pages over plain HTTP) nobody can tell whether a slot's last client still lives, so nothing is
 * ever adopted: a slot passes only from a page that is being left to the next page of the same tab, by a ticket that
 * is good once. The page puts the ticket into sessionStorage as its very last act, so a tab that was duplicated
 * before has none; two tabs with the same ticket (duplicated in the middle of a reload) meet in one IndexedDB
 * transaction, which lets the first have the slot. A page that crashes, or that the back/forward cache may bring
 * back, leaves no ticket: its record expires unread. Workers have no sessionStorage and always start anew.
 */
export async function acquireByTicket(
  { environment, records, options, databaseName }: SlotSource,
  scope: string,
): Promise<Acquired> {
  const memoryKey = JSON.stringify(["resumable-mcp ticket", databaseName, scope]);
  const ticket = newSlotId();
  const tickets = recall(environment, memoryKey);

  const left = (await records.list()).filter(({ slot }) => !tickets.some((shown) => shown.startsWith(slot)));
  for (const mark of excessOf(left, options, Date.now())) await records.remove(mark);

  let slot: string | undefined;
  while (slot === undefined) {
    const [shown, ...rest] = recall(environment, memoryKey);
    if (shown === undefined) slot = newSlotId();
    else {
      remember(environment, memoryKey, rest);
      const [candidate = "", secret = ""] = shown.split(":");
      if (await records.claim({ scope, slot: candidate }, secret, ticket)) slot = candidate;
    }
  }

  const handOver = () =>
    remember(environment, memoryKey, [...recall(environment, memoryKey), `${slot}:${ticket}`]);
  const forgetPage = environment.onLeave((mayReturn) => {
    if (!mayReturn) handOver();
  });
  return {
    slot,
    savedAt: undefined,
    ticket,
    release() {
      forgetPage();
      handOver();
      return Promise.resolve();
    },
  };
}
