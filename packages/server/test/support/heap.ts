import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

const collectGarbage = exposeGarbageCollector();

/** The bytes of the heap that are in use once everything that can be collected was, finalizers included. */
export async function heapInUse(): Promise<number> {
  // Finalizers run in tasks of their own, between collections.
  for (let round = 0; round < 5; round += 1) {
    collectGarbage();
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  return process.memoryUsage().heapUsed;
}

function exposeGarbageCollector(): () => void {
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("gc");
  if (typeof collect !== "function") throw new Error("this Node does not expose its garbage collector");
  return () => void Reflect.apply(collect, undefined, []);
}
