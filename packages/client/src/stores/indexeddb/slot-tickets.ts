import { recall, remember } from "./page.js";
import { excessOf } from "../orphans.js";
import { type Acquired, newSlotId, type SlotSource } from "./slot-source.js";

/**
 * Without Web Locks (pages over plain HTTP) nobody can tell whether a slot's last client still lives, so nothing is
 * ever adopted: a slot passes only from a page that is being left to the next page of the same tab, by a ticket that
 * is good once. The page puts the ticket into sessionStorage as its very last act, so a tab that was duplicated
 * before has none; two tabs with the same ticket (duplicated in the middle of a reload) meet in one IndexedDB
 * transaction, which lets the first have the slot. A page that crashes, or that the back/forward cache may bring
 * back, leaves no ticket: its record expires unread. Workers have no sessionStorage and always start anew.
 */
export async function acquireByTicket(
  { page, records, options, databaseName }: SlotSource,
  scope: string,
): Promise<Acquired> {
  const memoryKey = JSON.stringify(["resumable-mcp ticket", databaseName, scope]);
  const ticket = newSlotId();
  const tickets = recall(page, memoryKey);

  const left = (await records.list()).filter(({ slot }) => !tickets.some((shown) => shown.startsWith(slot)));
  for (const mark of excessOf(left, options, Date.now())) await records.remove(mark);

  let slot: string | undefined;
  while (slot === undefined) {
    const [shown, ...rest] = recall(page, memoryKey);
    if (shown === undefined) slot = newSlotId();
    else {
      remember(page, memoryKey, rest);
      const [candidate = "", secret = ""] = shown.split(":");
      if (await records.claim({ scope, slot: candidate }, secret, ticket)) slot = candidate;
    }
  }

  const handOver = () => remember(page, memoryKey, [...recall(page, memoryKey), `${slot}:${ticket}`]);
  const forgetPage = page.onLeave((mayReturn) => {
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
