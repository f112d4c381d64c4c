// Runs in a page that uses the IndexedDB store, by itself and through a worker.
import { ask } from "./remote.js";
import { acquire, save } from "./store.js";
import type { StoreWorkerCommands } from "./store-worker.js";

let worker: Worker | undefined;

const program = {
  acquire,
  save,
  /** Whether this page came back from the back/forward cache. */
  returned: false,
  restartWorker(): void {
    worker?.terminate();
    worker = new Worker("/worker.js", { type: "module" });
  },
  askWorker<Name extends keyof StoreWorkerCommands>(
    command: Name,
    ...given: Parameters<StoreWorkerCommands[Name]>
  ): Promise<Awaited<ReturnType<StoreWorkerCommands[Name]>>> {
    if (worker === undefined) throw new Error("The page has no worker.");
    return ask<StoreWorkerCommands, Name>(worker, command, ...given);
  },
};
type StorePage = typeof program;

declare global {
  var storePage: StorePage;
}

globalThis.storePage = program;
addEventListener("pageshow", ({ persisted }) => (program.returned = persisted));
