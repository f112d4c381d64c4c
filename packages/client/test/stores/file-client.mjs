/* global AbortController */
// A client process for file-processes.test.ts. Each line on stdin is one command, `[name, argument]`; each answer one line.
import { createInterface } from "node:readline";
import { fileStore } from "@resumable-mcp/client/stores/file";

const [directory, options = "{}"] = process.argv.slice(2);
let slot;

const commands = {
  acquire: async (scope) => {
    slot = await fileStore(directory, JSON.parse(options)).acquire(scope, new AbortController().signal);
    return { record: (await slot.load()) ?? null };
  },
  save: async (record) => ({ saved: await slot.save(record) }),
  /** Saves as fast as it can, a growing record, until the process is killed. */
  saveForEver: async ({ filler }) => {
    for (let n = 1; ; n++) {
      await slot.save({ n, filler: filler.repeat(n % 50), end: n });
      process.stdout.write(`${JSON.stringify({ n })}\n`);
    }
  },
  release: async () => ({ released: await slot.release() }),
};

process.stdout.write(`${JSON.stringify({ ready: process.pid })}\n`);
for await (const line of createInterface(process.stdin)) {
  const [name, argument] = JSON.parse(line);
  const answer = await commands[name](argument).catch((error) => ({
    error: error.code,
    message: error.message,
    cause: error.cause?.code,
  }));
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
