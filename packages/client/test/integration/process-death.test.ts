import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { EventStore } from "@resumable-mcp/server";
import { expect, onTestFinished, test } from "vitest";
import { repetitions } from "../../../../test-support/repetitions.js";
import { TestProcess } from "../../../../test-support/test-process.js";
import { startSdkServer } from "../../../../test-support/sdk-servers.js";
import { seededRandom } from "../../../testing/src/random.js";

const SCRIPT = fileURLToPath(new URL("./calling-process.mjs", import.meta.url));
const MESSAGES = 40;
const INTERVAL_MS = 10;
const SEED = 20_261_123;

/** What a process told: the messages that its handler had, and how the call ended. */
interface Life {
  readonly progress: readonly number[];
  readonly ending: Readonly<Record<string, unknown>> | undefined;
}

/** Runs one life of the client; with a delay, kills it so many ms after its first message. */
async function live(args: readonly string[], killAfterMs?: number): Promise<Life> {
  const child = TestProcess.node(SCRIPT, args);
  const progress: number[] = [];
  let ending: Life["ending"];
  child.lines.on("line", (line) => {
    const told = JSON.parse(line) as { readonly progress?: number };
    if (told.progress === undefined) ending = { ...told };
    else progress.push(told.progress);
  });
  if (killAfterMs !== undefined) {
    await child.nextLine();
    // The random instant of the kill; nothing is waited for here.
    await delay(killAfterMs);
    await child.kill();
  }
  await child.ended;
  return { progress, ending };
}

const rounds = repetitions({ full: 100, scaled: 8 });
const numbers = Array.from({ length: MESSAGES }, (_, n) => n + 1);

test(
  `a call whose process is killed at a random instant and started again finishes, ${rounds} times`,
  { timeout: 600_000 },
  async () => {
    const store = new EventStore({ maxEventsPerStream: 1000 });
    const server = await startSdkServer({ sdk: "1.32", eventStoreFor: (id) => store.forSession(id) });
    onTestFinished(() => server.close());
    const random = seededRandom(SEED);
    let killedInTheMiddle = 0;
    const round = async (n: number): Promise<void> => {
      const directory = await mkdtemp(join(tmpdir(), "resumable-mcp-death-"));
      onTestFinished(() => rm(directory, { recursive: true, force: true }));
      const key = `call ${n}`;
      const args = [server.url, directory, key, String(MESSAGES), String(INTERVAL_MS)];
      const first = await live(args, random() * MESSAGES * INTERVAL_MS);
      const where = `seed ${SEED}, round ${n}`;
      if (first.ending !== undefined) {
        expect(first, where).toEqual({
          progress: numbers,
          ending: { text: `${key} counted to ${MESSAGES}` },
        });
        return;
      }
      killedInTheMiddle += 1;
      const second = await live(args);
      expect(second.ending, where).toEqual({ text: `${key} counted to ${MESSAGES}` });
      // What was handled shortly before the end may come again, and nothing is left out.
      expect(first.progress, where).toEqual(numbers.slice(0, first.progress.length));
      const [from = MESSAGES + 1] = second.progress;
      expect(from, where).toBeLessThanOrEqual(first.progress.length + 1);
      expect(second.progress, where).toEqual(numbers.slice(from - 1));
      expect(server.executions(key), where).toBe(1);
    };
    // Two at a time: most of a life is the start of its process.
    const left = Array.from({ length: rounds }, (_, n) => n);
    const work = async (): Promise<void> => {
      for (let n = left.shift(); n !== undefined; n = left.shift()) await round(n);
    };
    await Promise.all([work(), work()]);
    expect(killedInTheMiddle).toBeGreaterThan(rounds / 2);
  },
);
