// Runs in a page whose calls are made by a worker of either kind.
import type { Arrival, CallsWorkerCommands } from "./calls-worker.js";
import { ask } from "./remote.js";

export type WorkerKind = "dedicated worker" | "service worker";

let worker: Worker | ServiceWorker | undefined;

const program = {
  /** What arrived in all of the worker's lives, in order. */
  arrivals: [] as Arrival[],
  async open(kind: WorkerKind): Promise<void> {
    if (kind === "dedicated worker") {
      startDedicated();
      return;
    }
    await navigator.serviceWorker.register("/worker.js", { type: "module" });
    worker = (await navigator.serviceWorker.ready).active ?? undefined;
  },
  /** Ends a dedicated worker and starts it again. The browser does that to a service worker. */
  restart(): void {
    if (worker instanceof Worker) worker.terminate();
    startDedicated();
  },
  ask<Name extends keyof CallsWorkerCommands>(
    command: Name,
    ...given: Parameters<CallsWorkerCommands[Name]>
  ): Promise<Awaited<ReturnType<CallsWorkerCommands[Name]>>> {
    if (worker === undefined) throw new Error("The page has no worker.");
    return ask<CallsWorkerCommands, Name>(worker, command, ...given);
  },
};

function startDedicated(): void {
  worker = new Worker("/worker.js", { type: "module" });
}

type WorkerPage = typeof program;

declare global {
  var workerPage: WorkerPage;
}

globalThis.workerPage = program;
const channel = new BroadcastChannel("arrivals");
channel.onmessage = ({ data }: MessageEvent<Arrival>) => program.arrivals.push(data);
