// Keeps the client's state in files on a local disk, one for each slot, for Node.
/// <reference types="node" />
import { randomBytes } from "node:crypto";
import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { ResumeError } from "../../errors.js";
import { sleep } from "../../wait/abortable.js";
import type { StateScope, StateStore } from "../../state/state-store.js";
import { newestFirst, createSlot, stateUnavailable, checkSlotOptions, type SlotOptions } from "../slots.js";
import { type Claim, claimStates, slotState, SILENCE_MS, tryClaim, type ClaimState, tidy } from "./claims.js";
import { errorCode, listSlots, recordFile, scopePrefix, setAside, writeWhole, writtenAt } from "./files.js";

export type FileStoreOptions = SlotOptions;

/** How often a fresh name may be refused before the folder is taken for one that does not keep files. */
const FRESH_ATTEMPTS = 5;

/** How long to wait, in milliseconds, until it shows whether a claim of a process elsewhere is alive. */
const DECISION_MS = SILENCE_MS + 1000;

/** At random, so that two processes that got into each other's way do not do so again. */
const pause = (signal: AbortSignal) => sleep(20 + Math.random() * 80, signal);

/**
 * Keeps state in a folder on a local disk, for Node: one JSON file per slot, readable by its owner only, since it
 * holds the session's id. It survives restarts and SIGKILL. A slot belongs to one live process; a process that was
 * killed gives its slot up at once. A restarted process gets the slot that was used last among those that no live
 * process has; where several different programs share a folder, give each a `slotName`.
 *
 * @param directory - created when it is missing, for its owner only
 * @throws {ResumeError} `invalid-option`
 */
export function fileStore(directory: string, options: FileStoreOptions = {}): StateStore {
  // A URL, which callers without types may give, would only show in the first life's `state-unavailable`.
  const unfit = typeof directory === "string" ? directory === "" && "empty" : `of type ${typeof directory}`;
  if (unfit) throw new ResumeError("invalid-option", `directory is ${unfit}; it must be a path`);
  const limits = checkSlotOptions(options);
  const place = `the folder ${directory}`;

  async function claimSlot(scope: StateScope, signal: AbortSignal): Promise<{ base: string; claim: Claim }> {
    const prefix = scopePrefix(scope);
    const ownBase = limits.slotName === undefined ? undefined : `${prefix}name-${limits.slotName}`;
    const stateOf = claimStates(directory);
    const attempt = async (base: string, claims: readonly string[]) => {
      const state = await slotState(claims, stateOf);
      // Refused although nobody seemed to have it: another process wanted it too, and one of us may get it next.
      return state === "dead" ? ((await tryClaim(directory, base, stateOf)) ?? "unknown") : state;
    };
    const begin = performance.now();
    let freshAttempts = 0;

    for (;;) {
      signal.throwIfAborted();
      const waited = performance.now() - begin;
      const isPatient = (state: ClaimState) => state === "unknown" && waited < DECISION_MS;
      const slots = (await listSlots(directory)).filter(({ base }) => base.startsWith(prefix));

      if (ownBase !== undefined) {
        const claims = slots.find(({ base }) => base === ownBase)?.claims ?? [];
        const own = await attempt(ownBase, claims);
        if (typeof own === "object") return { base: ownBase, claim: own };
        if (waited < limits.waitMs || isPatient(own)) {
          await pause(signal);
          continue;
        }
      }

      let isUndecided = false;
      const orphans = slots.filter(({ base, hasRecord }) => hasRecord && base.startsWith(`${prefix}auto-`));
      for (const { base, claims } of newestFirst(await withTimes(orphans))) {
        const claim = await attempt(base, claims);
        if (typeof claim === "object") return { base, claim };
        isUndecided ||= isPatient(claim);
      }
      if (!isUndecided) {
        const base = `${prefix}auto-${randomBytes(16).toString("hex")}`;
        const claim = await tryClaim(directory, base, stateOf);
        if (claim) return { base, claim };
        if (++freshAttempts === FRESH_ATTEMPTS)
          throw new Error("files that were just written do not show up");
      }
      await pause(signal);
    }
  }

  const withTimes = <T extends { readonly base: string }>(slots: readonly T[]) =>
    Promise.all(
      slots.map(async (slot) => ({
        ...slot,
        savedAt: (await writtenAt(join(directory, recordFile(slot.base)))) ?? 0,
      })),
    );

  return {
    async acquire(scope, signal) {
      signal.throwIfAborted();
      try {
        await mkdir(directory, { recursive: true, mode: 0o700 });
        await tidy(directory, limits, limits.slotName && `${scopePrefix(scope)}name-${limits.slotName}`);
        const { base, claim } = await claimSlot(scope, signal);
        if (signal.aborted) await claim.release();
        signal.throwIfAborted();
        return openSlot(base, claim);
      } catch (error) {
        signal.throwIfAborted();
        throw stateUnavailable(place, error);
      }
    },
  };

  function openSlot(base: string, claim: Claim) {
    const path = join(directory, recordFile(base));
    const whileOurs = async (change: () => Promise<void>) => {
      await claim.renew();
      await change();
    };
    return createSlot(place, {
      async read() {
        try {
          return await readFile(path, "utf8");
        } catch (error) {
          if (errorCode(error) === "ENOENT") return undefined;
          throw error;
        }
      },
      write: (text) =>
        whileOurs(() => writeWhole(path, join(directory, `${base}.${claim.unique}.tmp`), text)),
      remove: () => whileOurs(() => rm(path, { force: true })),
      setAside: () => whileOurs(() => setAside(directory, base)),
      unlock: () => claim.release(),
    });
  }
}
