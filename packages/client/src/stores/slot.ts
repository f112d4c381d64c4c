import { ResumeError } from "../errors.js";
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
