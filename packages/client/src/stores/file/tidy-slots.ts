/// <reference types="node" />
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { excessOf } from "../orphans.js";
import { claimJudge, judgeAll, tryClaim } from "./slot-claims.js";
import { listSlots, recordFile, SCOPE_LENGTH, type SlotFiles, writtenAt } from "./slot-files.js";

/**
 * Removes what no live process holds and nobody will come back for: records that are too old or too many, whatever
 * their scope, what broke off before a record was written, and old records that had been set aside.
 *
 * @param ownBase - the slot that is about to be taken, and stays
 */
export async function tidy(
  directory: string,
  limits: { readonly maxOrphans: number; readonly orphanMaxAgeMs: number },
  ownBase: string | undefined,
): Promise<void> {
  const judge = claimJudge(directory);
  const now = Date.now();
  const orphans: (SlotFiles & { scope: string; savedAt: number })[] = [];
  const remove = async (base: string, ...names: string[]) => {
    const claim = await tryClaim(directory, base, judge);
    if (!claim) return;
    for (const name of names) await rm(join(directory, name), { force: true });
    await claim.release();
  };

  try {
    for (const slot of await listSlots(directory)) {
      for (const name of slot.setAside)
        if (now - ((await writtenAt(join(directory, name))) ?? now) > limits.orphanMaxAgeMs)
          await rm(join(directory, name), { force: true });
      if (slot.base === ownBase || (await judgeAll(slot.claims, judge)) !== "dead") continue;
      if (slot.hasRecord) {
        const savedAt = await writtenAt(join(directory, recordFile(slot.base)));
        orphans.push({ ...slot, scope: slot.base.slice(0, SCOPE_LENGTH), savedAt: savedAt ?? now });
      } else if (slot.claims.length + slot.temporary.length > 0) await remove(slot.base);
    }
    for (const { base } of excessOf(orphans, limits, now)) await remove(base, recordFile(base));
  } catch {
    // What could not be removed now may go at the next start. If the folder cannot be used, taking a slot says so.
  }
}
