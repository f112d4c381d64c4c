// Runs in a worker that makes calls for its page, and tells all pages what arrives.
import { indexedDBStore } from "@resumable-mcp/client/stores/indexeddb";

import { CallsClient } from "./calls-client.js";
import { offer } from "./remote.js";

/** A message that reached a client in a worker. */
export interface Arrival {
  /** The worker's own id: each time it is started it has another. */
  readonly life: string;
  readonly progress: number;
}

const life = crypto.randomUUID();
const page = new BroadcastChannel("arrivals");
const client = new CallsClient(indexedDBStore({ slotName: "calls" }), (progress) =>
  page.postMessage({ life, progress } satisfies Arrival),
);

const commands = {
  connect: () => client.connect(),
  start: (count: number, messages: number, seconds: number) => client.start(count, messages, seconds),
  goOn: () => client.goOn(),
  state: () => ({ calls: client.calls, errors: client.errors }),
};
export type CallsWorkerCommands = typeof commands;

offer(commands);
