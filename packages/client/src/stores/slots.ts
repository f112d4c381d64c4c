// Gives the stores that outlive a page or a process what they share: their options, what every slot does alike, and which
// records without a client are dropped.
import { ResumeError } from "../errors.js";
import { wholeNumber } from "../options.js";
import type { Slot, StateScope } from "../state/state-store.js";

/** What a store does for one acquired slot. Called one step at a time, and never after `unlock`. */
export interface SlotDriver {
  /** The text last written, or `undefined`. @throws {ResumeError} `state-corrupt` when it cannot be read as text. */
  read(): Promise<string | undefined>;
  write(text: string): Promise<void>;
  remove(): Promise<void>;
  setAside(): Promise<void>;
  /** Lets the next client have the slot. */
  unlock(): Promise<void>;
}

/** @returns the error as it is when it says what happened already, else wrapped as `state-unavailable` */
export function stateUnavailable(place: string, error: unknown): ResumeError {
  if (error instanceof ResumeError) return error;
  const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return new ResumeError("state-unavailable", `the state in ${place} cannot be used: ${reason}`, {
    cause: error,
  });
}

/** One text per scope, whatever characters its parts hold. */
export const scopeText = ({ serverUrl, partition }: StateScope): string =>
  JSON.stringify([serverUrl, partition]);

function decode(place: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ResumeError("state-corrupt", `the saved state in ${place} is not JSON; set it aside`, {
      cause: error,
    });
  }
}

/**
 * What every slot does alike, whatever keeps it: records are JSON text, taken at the moment of the call;
 * calls take effect in the order in which they were made; nothing is written after `release`.
 *
 * @param place - where the state is, for messages: "the folder ./state"
 */
export function createSlot(place: string, driver: SlotDriver): Slot {
  let last: Promise<unknown> = Promise.resolve();
  let released: Promise<void> | undefined;

  const next = <T>(step: () => Promise<T>): Promise<T> => {
    const done = last.then(step).catch((error: unknown) => {
      throw stateUnavailable(place, error);
    });
    last = done.catch(() => undefined);
    return done;
  };
  const whileHeld = async <T>(step: () => Promise<T>): Promise<T> => {
    if (released) throw new ResumeError("closed", `the slot in ${place} was released; acquire one again`);
    return next(step);
  };

  return {
    load: () =>
      whileHeld(async () => {
        const text = await driver.read();
        return text === undefined ? undefined : decode(place, text);
      }),
    async save(record) {
      // The declared type leaves out what JSON.stringify answers for undefined and functions.
      const text = JSON.stringify(record) as string | undefined;
      if (text === undefined) throw new TypeError(`a record is JSON data, not ${typeof record}`);
      await whileHeld(() => driver.write(text));
    },
    clear: () => whileHeld(() => driver.remove()),
    setAside: () => whileHeld(() => driver.setAside()),
    release: () => (released ??= next(() => driver.unlock())),
  };
}

/** Which slots a store offers, and how many it keeps that no client holds. */
export interface SlotOptions {
  /**
   * The name of this client's own slot, where nothing else remembers it (a worker, a command-line program):
   * 1 to 64 characters of `a-z`, `0-9`, `-`. Clients without this name never get the slot.
   * @defaultValue none: an orphan of the same scope is adopted, the most recently used first
   */
  readonly slotName?: string;
  /** How long to wait for one's own slot while another client still holds it, in milliseconds. @defaultValue 2000 */
  readonly waitMs?: number;
  /** How many records without a live client are kept per scope; the oldest go first. @defaultValue 20 */
  readonly maxOrphans?: number;
  /** How old a record without a live client may grow, in milliseconds. @defaultValue 604800000, seven days */
  readonly orphanMaxAgeMs?: number;
}

/** The options with their defaults. @throws {ResumeError} `invalid-option` */
export function checkSlotOptions(
  options: SlotOptions,
): Required<Omit<SlotOptions, "slotName">> & SlotOptions {
  const { slotName } = options;
  if (slotName !== undefined && !/^[a-z0-9-]{1,64}$/.test(slotName))
    throw new ResumeError(
      "invalid-option",
      `slotName is ${JSON.stringify(slotName)}; it must be 1 to 64 characters of a-z, 0-9 and -`,
    );
  return {
    ...options,
    waitMs: wholeNumber("waitMs", options.waitMs ?? 2000, 0, 60_000),
    maxOrphans: wholeNumber("maxOrphans", options.maxOrphans ?? 20, 1, 1000),
    orphanMaxAgeMs: wholeNumber(
      "orphanMaxAgeMs",
      options.orphanMaxAgeMs ?? 604_800_000,
      60_000,
      Number.MAX_SAFE_INTEGER,
    ),
  };
}

/** A record that no live client holds. */
export interface Orphan {
  readonly scope: string;
  /** When it was written, in milliseconds since 1970. */
  readonly savedAt: number;
}

export const newestFirst = <T extends Pick<Orphan, "savedAt">>(orphans: readonly T[]): T[] =>
  [...orphans].sort((one, other) => other.savedAt - one.savedAt);

/** Which of the orphans to drop: too old, or too many of one scope. */
export function excessOf<T extends Orphan>(
  orphans: readonly T[],
  limits: { readonly maxOrphans: number; readonly orphanMaxAgeMs: number },
  now: number,
): T[] {
  const counts = new Map<string, number>();
  return newestFirst(orphans).filter(({ scope, savedAt }) => {
    const rank = (counts.get(scope) ?? 0) + 1;
    counts.set(scope, rank);
    return rank > limits.maxOrphans || now - savedAt > limits.orphanMaxAgeMs;
  });
}
