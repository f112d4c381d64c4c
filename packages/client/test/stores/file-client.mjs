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
  /** Saves as fast as it can, records that take several writes each, until the process is killed. */
  saveForEver: async () => {
    const filler = "x".repeat(4_000_000);
    for (let n = 1; ; n++) {
      await slot.save({ n, filler, end: n });
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
