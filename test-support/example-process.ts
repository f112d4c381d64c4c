// Runs a server of `examples/` in a process of its own, started as the guides say.
import { fileURLToPath } from "node:url";

import { TestProcess } from "./test-process.js";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const START_LIMIT_MS = 50_000;

export class ExampleProcess {
  readonly url: string;
  readonly #process: TestProcess;

  private constructor(url: string, process: TestProcess) {
    this.url = url;
    this.#process = process;
  }

  /** Resolves when the server says where it listens. */
  static async start(name: string): Promise<ExampleProcess> {
    const process = TestProcess.node("scripts/example.mjs", [name], { cwd: ROOT, env: { PORT: "0" } });
    try {
      const { groups } = await process.printed(/^MCP server: (?<url>http:\S+)$/m, START_LIMIT_MS);
      return new ExampleProcess(groups?.url ?? "", process);
    } catch (error) {
      await process.kill();
      throw error;
    }
  }

  /** All that it has printed. */
  get output(): string {
    return this.#process.output;
  }

  /** Asks it to stop, and returns its exit code once it has. */
  stop(): Promise<number | null> {
    return this.#process.stop();
  }

  /** Ends it at once, if it still runs. */
  kill(): Promise<void> {
    return this.#process.kill();
  }
}
