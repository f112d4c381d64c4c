import { sleep } from "../sleep.js";
import { recall, remember } from "./page.js";
import { excessOf, newestFirst } from "./orphans.js";
import type { SlotKey } from "./slot-records.js";
import { type Acquired, newSlotId, type SlotSource } from "./slot-source.js";

const POLL_MS = 50;
const NAMED = "name:";

/** @returns how to release the lock, or `undefined` when another client has it. Never queues for it. */
function tryLock(locks: LockManager, name: string): Promise<(() => Promise<void>) | undefined> {
  return new Promise((resolve, reject) => {
    const ended = locks.request(
      name,
      { ifAvailable: true },
      (lock) =>
        lock &&
        new Promise<void>((unlock) => {
          resolve(() => {
            unlock();
            return ended.then(() => undefined);
          });
        }),
    );
    ended.then(() => resolve(undefined), reject);
  });
}

/**
 * A slot belongs to whoever holds the Web Lock of its name, so it becomes free by itself when a page dies.
 * Names that are held are looked at with `query`, never requested: a contending request makes the browser throw
 * a page that holds the lock out of the back/forward cache.
 */
export async function acquireByLock(
  { page, records, options, databaseName }: SlotSource,
  locks: LockManager,
  scope: string,
  signal: AbortSignal,
): Promise<Acquired> {
  const lockName = (key: SlotKey) => JSON.stringify(["resumable-mcp", databaseName, key.scope, key.slot]);
  const memoryKey = lockName({ scope, slot: "" });
  const heldHere = () => [...page.held].filter(({ list }) => list === memoryKey).map(({ slot }) => slot);
  const ownName = options.slotName === undefined ? undefined : NAMED + options.slotName;
  // sessionStorage is copied to a duplicated tab and lives through a visit to another page,
  // so it tells what this tab had, newest life first, and the locks tell what of it is ours to take.
  const ownSlot = () =>
    (ownName === undefined ? recall(page, memoryKey) : [ownName]).find((slot) => !heldHere().includes(slot));
  const rememberHeld = () => {
    if (ownName === undefined)
      remember(page, memoryKey, [...new Set([...heldHere(), ...recall(page, memoryKey)])]);
  };

  const isTaken = async () => {
    const names = new Set((await locks.query()).held?.map((lock) => lock.name));
    return (key: SlotKey) => names.has(lockName(key));
  };
  const take = async (slot: string): Promise<Acquired | undefined> => {
    const unlock = await tryLock(locks, lockName({ scope, slot }));
    if (!unlock) return undefined;
    const holding = { list: memoryKey, slot };
    page.held.add(holding);
    rememberHeld();
    // When the page is left, too: a later page of this tab may have written over the list while this one was in the cache.
    const forgetPage = page.onLeave(rememberHeld);
    return {
      slot,
      ticket: undefined,
      release() {
        forgetPage();
        page.held.delete(holding);
        return unlock();
      },
    };
  };

  const takeOwn = async (): Promise<Acquired | undefined> => {
    const end = performance.now() + options.waitMs;
    for (;;) {
      const slot = ownSlot();
      if (slot === undefined) return undefined;
      const taken = (await isTaken())({ scope, slot });
      const acquired = taken ? undefined : await take(slot);
      if (acquired || performance.now() >= end) return acquired;
      await sleep(POLL_MS, signal);
    }
  };

  const own = ownSlot();
  const marks = await records.list();
  const isTakenNow = await isTaken();
  const orphans = marks.filter((mark) => mark.slot !== own && !isTakenNow(mark));
  const excess = excessOf(orphans, options, Date.now());
  for (const mark of excess) {
    const unlock = await tryLock(locks, lockName(mark));
    if (unlock) await records.remove(mark).finally(unlock);
  }

  let acquired = await takeOwn();
  const isTakenStill = await isTaken();
  for (const mark of newestFirst(marks)) {
    if (acquired) break;
    // A slot with a name waits for the client of that name.
    const isOffered = mark.scope === scope && !mark.slot.startsWith(NAMED) && !excess.includes(mark);
    if (isOffered && !isTakenStill(mark)) acquired = await take(mark.slot);
  }
  acquired ??= await take(newSlotId());
  if (!acquired) throw new Error("the lock of a name that nobody else knows was refused");
  return acquired;
}
