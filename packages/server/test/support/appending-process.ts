// Runs a real process that appends to a log, and notes what that log acknowledged to it.
import { fileURLToPath } from "node:url";

import { TestProcess } from "../../../../test-support/test-process.js";

export interface Acknowledged {
  readonly stream: string;
  readonly epoch: string;
  readonly seq: number;
  readonly payload: string;
}

/** How much a process appends, to streams named `stream 0` and so on. */
export interface AppendingWork {
  readonly streams: number;
  readonly inFlight: number;
  readonly appends: number;
}

/** A real process that appends to a log and tells what was acknowledged, a line each. */
export class AppendingProcess {
  readonly acknowledged: Acknowledged[] = [];
  readonly #process: TestProcess;

  /**
   * Resolves when it is ready. It appends from `go` on.
   *
   * @param script the name of a script beside this file, which takes `args` and then the numbers of the work.
   */
  static async start(
    script: string,
    args: readonly string[],
    { streams, inFlight, appends }: AppendingWork,
  ): Promise<AppendingProcess> {
    const path = fileURLToPath(new URL(script, import.meta.url));
    const numbers = [streams, inFlight, appends].map(String);
    const process = TestProcess.node(path, [...args, ...numbers]);
    await process.nextLine();
    return new AppendingProcess(process);
  }

  private constructor(process: TestProcess) {
    this.#process = process;
    process.lines.on("line", (line) => this.#take(line));
  }

  go(): void {
    this.#process.write("go");
  }

  async kill(): Promise<void> {
    await this.#process.kill();
    await this.ended();
  }

  async ended(): Promise<void> {
    await this.#process.ended;
  }

  #take(line: string): void {
    let parsed: unknown;
    try {
      parsed = JSON.parse(line);
    } catch {
      // The last line of a killed process may be cut off; that event was not acknowledged to anybody.
      return;
    }
    // The scripts write nothing else.
    const [stream, epoch, seq, payload] = parsed as [string, string, number, string];
    this.acknowledged.push({ stream, epoch, seq, payload });
  }
}
