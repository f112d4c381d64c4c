// Claims slots for this process by lock files, judges the claims of others, and tidies up what nobody holds.
/// <reference types="node" />
import { randomBytes } from "node:crypto";
import { readFile, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { clearInterval, setInterval } from "node:timers";
import { currentProcess, isAlive, type ProcessIdentity } from "./process-identity.js";
import { listSlots, writtenAt, recordFile, SCOPE_LENGTH, type SlotFiles } from "./files.js";
import { excessOf } from "../slots.js";

/** A holder says so this often, by touching its claim. */
const HEARTBEAT_MS = 1000;
/** A claim whose process cannot be looked up counts as dead when it was seen untouched for this long… */
export const SILENCE_MS = 5000;
/** …or is older than this by the clock, which leaves room for clocks that differ between machines. */
const OLD_MS = 60_000;

/** A slot that is this process's until `release`. */
export interface Claim {
  /** A part for names of files that no other process uses. */
  readonly unique: string;
  /** @throws when the claim is gone: the folder was deleted, or somebody took this process for dead */
  renew(): Promise<void>;
  release(): Promise<void>;
}

/** Whether the process that made a claim still lives. */
export type ClaimState = "alive" | "dead" | "unknown";

function parseIdentity(text: string): ProcessIdentity | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { machine, pid, started } = value as Partial<Record<keyof ProcessIdentity, unknown>>;
  if (typeof machine !== "string" || !Number.isInteger(pid) || typeof pid !== "number" || pid <= 0)
    return undefined;
  return { machine, pid, started: typeof started === "string" ? started : null };
}

/** Looks at claims, and remembers between two looks at one whether it was touched. */
export function claimStates(directory: string): (name: string) => Promise<ClaimState> {
  const firstLooks = new Map<string, { readonly touchedAt: number; readonly at: number }>();

  return async (name) => {
    const path = join(directory, name);
    const touchedAt = await writtenAt(path);
    if (touchedAt === undefined) return "dead";
    // A claim that is half written, or another user's, says nothing: then its heartbeat must.
    const identity = parseIdentity(await readFile(path, "utf8").catch(() => ""));
    const alive = identity && (await isAlive(identity));
    if (alive !== undefined) return alive ? "alive" : "dead";

    if (Date.now() - touchedAt > OLD_MS) return "dead";
    const first = firstLooks.get(name);
    if (first === undefined) firstLooks.set(name, { touchedAt, at: performance.now() });
    else if (first.touchedAt !== touchedAt) return "alive";
    else if (performance.now() - first.at > SILENCE_MS) return "dead";
    return "unknown";
  };
}

/** @returns "dead" when nobody holds the slot */
export async function slotState(
  names: readonly string[],
  stateOf: (name: string) => Promise<ClaimState>,
): Promise<ClaimState> {
  const states = await Promise.all(names.map(stateOf));
  return states.includes("alive") ? "alive" : states.includes("unknown") ? "unknown" : "dead";
}

function hold(path: string, unique: string): Claim {
  const touch = async (): Promise<void> => {
    const now = new Date();
    try {
      await utimes(path, now, now);
    } catch (cause) {
      throw new Error("the slot is no longer ours: its lock file is gone", { cause });
    }
  };
  let beat: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    // A claim that is gone shows at the next write, where there is somebody to tell.
    beat = touch().catch(() => undefined);
  }, HEARTBEAT_MS);
  timer.unref();
  return {
    unique,
    renew: touch,
    async release() {
      clearInterval(timer);
      await beat;
      await rm(path, { force: true, maxRetries: 3 });
    },
  };
}

/**
 * Takes a slot by putting a claim of one's own beside it and then looking who else has one. Of two processes that do
 * so at once, at least the later one sees the other's claim, and whoever sees a claim that is not dead withdraws: so
 * never both hold the slot, also when both found the same dead claim. Claims have names that are used once, so a dead
 * one can be removed at any time without hitting another; no lock is ever broken, and none can be left behind.
 *
 * @returns `undefined` when another process has the slot, or wanted it in the same moment
 */
export async function tryClaim(
  directory: string,
  base: string,
  stateOf: (name: string) => Promise<ClaimState>,
): Promise<Claim | undefined> {
  const unique = randomBytes(8).toString("hex");
  const name = `${base}.${unique}.lock`;
  const path = join(directory, name);
  let claimed = false;
  try {
    await writeFile(path, JSON.stringify(await currentProcess()), { flag: "wx", mode: 0o600 });
    const slot = (await listSlots(directory)).find((files) => files.base === base);
    const others = (slot?.claims ?? []).filter((claim) => claim !== name);
    if (!slot?.claims.includes(name) || (await slotState(others, stateOf)) !== "dead") return undefined;
    // No other claim is alive, so broken-off writes are nobody's either.
    for (const left of [...others, ...slot.temporary]) await rm(join(directory, left), { force: true });
    claimed = true;
    return hold(path, unique);
  } finally {
    if (!claimed) await rm(path, { force: true });
  }
}

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
  const stateOf = claimStates(directory);
  const now = Date.now();
  const orphans: (SlotFiles & { scope: string; savedAt: number })[] = [];
  const remove = async (base: string, ...names: string[]) => {
    const claim = await tryClaim(directory, base, stateOf);
    if (!claim) return;
    for (const name of names) await rm(join(directory, name), { force: true });
    await claim.release();
  };

  try {
    for (const slot of await listSlots(directory)) {
      for (const name of slot.setAside)
        if (now - ((await writtenAt(join(directory, name))) ?? now) > limits.orphanMaxAgeMs)
          await rm(join(directory, name), { force: true });
      if (slot.base === ownBase || (await slotState(slot.claims, stateOf)) !== "dead") continue;
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
