// Runs in a worker that uses the IndexedDB store for its page.
import { offer } from "./remote.js";
import { acquire, save } from "./store.js";

const commands = { acquire, save };
export type StoreWorkerCommands = typeof commands;

offer(commands);
