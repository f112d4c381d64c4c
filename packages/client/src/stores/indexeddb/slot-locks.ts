import { lock, type Unlock } from "../../wait/web-lock.js";
import { excessOf, newestFirst } from "../orphans.js";
import { recall, remember } from "./page.js";
import type { SlotKey } from "./slot-records.js";
import { type Acquired, newSlotId, type SlotSource } from "./slot-source.js";

const NAMED = "name:";

/** How long the back/forward caches keep a page, in milliseconds: Firefox half an hour, Chromium ten minutes. */
const PARKED_MS = 1_800_000;

const ifAvailable: LockOptions = { ifAvailable: true };

/** As {@link lock}, but waits for its turn. @throws `signal.reason` when aborted */
async function lockWithin(
  locks: LockManager,
  name: string,
  waitMs: number,
  signal: AbortSignal,
): Promise<Unlock | undefined> {
  signal.throwIfAborted();
  const limit = new AbortController();
  const end = () => limit.abort();
  const timer = setTimeout(end, waitMs);
  signal.addEventListener("abort", end);
  try {
    return await lock(locks, name, { signal: limit.signal });
  } catch (error) {
    signal.throwIfAborted();
    if (!limit.signal.aborted) throw error;
    return undefined;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", end);
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
  { page, records, options, databaseName }: SlotSource,
  locks: LockManager,
  scope: string,
  signal: AbortSignal,
): Promise<Acquired> {
  const lockName = (key: SlotKey) => JSON.stringify(["resumable-mcp", databaseName, key.scope, key.slot]);
  const list = lockName({ scope, slot: "" });
  const heldHere = () => [...page.held].filter((holding) => holding.list === list).map(({ slot }) => slot);
  const ownName = options.slotName === undefined ? undefined : NAMED + options.slotName;
  // sessionStorage is copied to a duplicated tab, so it tells what this tab may have had, this page's own first,
  // and the locks tell what of it is free to take.
  const ownSlots = () => (ownName === undefined ? recall(page, list) : [ownName]);
  const rememberHeld = () => {
    if (ownName === undefined) remember(page, list, [...new Set([...heldHere(), ...recall(page, list)])]);
  };

  const take = async (
    slot: string,
    savedAt: number | undefined,
    request: (name: string) => Promise<Unlock | undefined>,
  ): Promise<Acquired | undefined> => {
    // Even before it is ours: a second client of this page must not wait for the same slot.
    const holding = { list, slot };
    page.held.add(holding);
    let unlock: Unlock | undefined;
    try {
      unlock = await request(lockName({ scope, slot }));
    } finally {
      if (!unlock) page.held.delete(holding);
    }
    if (!unlock) return undefined;
    rememberHeld();
    // A later page of this tab may have put its own slots first while this one was in the cache.
    const forgetPage = page.onLeave(rememberHeld);
    return {
      slot,
      savedAt,
      ticket: undefined,
      release() {
        forgetPage();
        page.held.delete(holding);
        return unlock();
      },
    };
  };
  const takeIfFree = (slot: string, savedAt?: number) =>
    take(slot, savedAt, (name) => lock(locks, name, ifAvailable));

  const now = Date.now();
  const all = await records.list();
  const orphans = all.filter(({ parkedAt = 0 }) => now - parkedAt >= PARKED_MS);
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
