// Keeps the client's state in memory, for as long as the store itself lives.
import { ResumeError } from "../errors.js";
import { wholeNumber } from "../options.js";
import type { StateStore } from "../state/state-store.js";

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
    async acquire({ partition, serverUrl }, signal) {
      signal.throwIfAborted();
      const scope = JSON.stringify([serverUrl, partition]);
      const index = orphans.findLastIndex((orphan) => orphan.scope === scope);
      let text = index < 0 ? undefined : orphans.splice(index, 1)[0]?.text;
      let isHeld = true;
      const whileHeld = <T>(step: () => T): Promise<T> =>
        new Promise((resolve) => {
          if (!isHeld) throw new ResumeError("closed", "the slot in memory was released; acquire one again");
          resolve(step());
        });
      const clear = (): Promise<void> => whileHeld(() => (text = undefined));
      return {
        load: () => whileHeld((): unknown => text && JSON.parse(text)),
        save: (record) =>
          whileHeld(() => {
            // The declared type leaves out what JSON.stringify answers for undefined and functions.
            const json = JSON.stringify(record) as string | undefined;
            if (json === undefined) throw new TypeError(`a record is JSON data, not ${typeof record}`);
            text = json;
          }),
        clear,
        // What was written here can be read: there is nothing for a person to look at.
        setAside: clear,
        release() {
          if (isHeld && text !== undefined) orphans.push({ scope, text });
          isHeld = false;
          orphans.splice(0, orphans.length - maxOrphans);
          return Promise.resolve();
        },
      };
    },
  };
}
