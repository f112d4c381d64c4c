import type { StateStore } from "../state/state-store.js";
import { createSlot, scopeText, wholeNumber } from "./slots.js";

export interface MemoryStoreOptions {
  /** How many records of released slots the store keeps, over all scopes; the oldest go first. @defaultValue 100 */
  readonly maxOrphans?: number;
}

/**
 * Keeps state for as long as the store itself lives: it survives a new client, not a reload or a restart.
 *
 * @throws {ResumeError} `invalid-option`
 */
export function memoryStore(options: MemoryStoreOptions = {}): StateStore {
  const maxOrphans = wholeNumber("maxOrphans", options.maxOrphans ?? 100, 1, 10_000);
  /** Records that no client holds, in the order in which they were released. */
  const orphans: { readonly scope: string; readonly text: string }[] = [];

  return {
    // Async, so that an aborted signal rejects.
    // eslint-disable-next-line @typescript-eslint/require-await
    async acquire(given, signal) {
      signal.throwIfAborted();
      const scope = scopeText(given);
      const index = orphans.findLastIndex((orphan) => orphan.scope === scope);
      let text = index < 0 ? undefined : orphans.splice(index, 1)[0]?.text;
      const forget = () => {
        text = undefined;
        return Promise.resolve();
      };
      return createSlot("memory", {
        read: () => Promise.resolve(text),
        write(written) {
          text = written;
          return Promise.resolve();
        },
        remove: forget,
        // What was written here is valid JSON: nothing can be corrupt, so there is nothing to look at.
        setAside: forget,
        unlock() {
          if (text !== undefined) orphans.push({ scope, text });
          orphans.splice(0, orphans.length - maxOrphans);
          return Promise.resolve();
        },
      });
    },
  };
}
