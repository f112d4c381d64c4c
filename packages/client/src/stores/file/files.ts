// Names, lists, replaces and sets aside the files of the slots in one folder.
/// <reference types="node" />
import { createHash } from "node:crypto";
import { open, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { StateScope } from "../../state/state-store.js";
import { scopeText } from "../slots.js";

/** The files of one slot, by what they are; names within the folder. */
export interface SlotFiles {
  /** `<scope>.<slot>`, what the names of all its files begin with. */
  readonly base: string;
  readonly hasRecord: boolean;
  readonly claims: readonly string[];
  /** Writes that a crash broke off. */
  readonly temporary: readonly string[];
  readonly setAside: readonly string[];
}

const FILE =
  /^([0-9a-f]{32}\.(?:auto|name)-[a-z0-9-]+)\.(json|[0-9a-f]{16}\.lock|[0-9a-f]{16}\.tmp|json\.corrupt-\d+)$/;

export const SCOPE_LENGTH = 32;

/** What the names of a scope's files begin with: a digest, because a URL or a user name need not be a file name. */
export const scopePrefix = (scope: StateScope): string =>
  `${createHash("sha256").update(scopeText(scope)).digest("hex").slice(0, SCOPE_LENGTH)}.`;

export const recordFile = (base: string): string => `${base}.json`;

/** What the folder holds, by slot. Files that are not this store's are not looked at. */
export async function listSlots(directory: string): Promise<readonly SlotFiles[]> {
  const slots = new Map<
    string,
    { base: string; hasRecord: boolean } & Record<"claims" | "temporary" | "setAside", string[]>
  >();
  for (const name of await readdir(directory)) {
    const [, base, kind] = FILE.exec(name) ?? [];
    if (base === undefined || kind === undefined) continue;
    const files = slots.get(base) ?? { base, hasRecord: false, claims: [], temporary: [], setAside: [] };
    slots.set(base, files);
    if (kind === "json") files.hasRecord = true;
    else if (kind.endsWith(".lock")) files.claims.push(name);
    else if (kind.endsWith(".tmp")) files.temporary.push(name);
    else files.setAside.push(name);
  }
  return [...slots.values()];
}

export const errorCode = (error: unknown): unknown =>
  error instanceof Error && "code" in error ? error.code : undefined;

/** @returns when the file was last written, in milliseconds since 1970; `undefined` when it is gone */
export async function writtenAt(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).mtimeMs;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** On Windows a virus scanner or an indexer that has the file open makes a rename fail for some milliseconds. */
async function renamePatiently(from: string, to: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await rename(from, to);
      return;
    } catch (error) {
      if (attempt === 5 || !["EPERM", "EACCES", "EBUSY"].includes(String(errorCode(error)))) throw error;
      await setTimeout(20);
    }
  }
}

/**
 * Replaces the file as a whole: after a crash at any instant it holds the old text or the new.
 * The folder's entry is not synced: a power cut may bring the old text back, never a mixture.
 */
export async function writeWhole(path: string, temporary: string, text: string): Promise<void> {
  try {
    const file = await open(temporary, "w", 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await renamePatiently(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** How many records that could not be read are kept for a person to look at, per slot. */
const SET_ASIDE_KEPT = 3;

/** Renames the record to `<name>.corrupt-<n>`, and drops the oldest of those beyond three. */
export async function setAside(directory: string, base: string): Promise<void> {
  const files = (await listSlots(directory)).find((slot) => slot.base === base);
  if (!files?.hasRecord) return;
  const numbers = files.setAside
    .map((name) => Number(name.slice(name.lastIndexOf("-") + 1)))
    .sort((a, b) => a - b);
  const path = (number: number) => join(directory, `${recordFile(base)}.corrupt-${number}`);
  await renamePatiently(join(directory, recordFile(base)), path((numbers.at(-1) ?? 0) + 1));
  for (const number of numbers.slice(0, Math.max(0, numbers.length + 1 - SET_ASIDE_KEPT)))
    await rm(path(number), { force: true });
}
