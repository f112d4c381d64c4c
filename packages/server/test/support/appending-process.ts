import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";

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
  readonly #process: ChildProcess;
  readonly #lines: Interface;
  readonly #ended: Promise<unknown>;

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
    const child = spawn(process.execPath, [path, ...args, ...numbers], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const started = new AppendingProcess(child);
    await Promise.race([once(started.#lines, "line"), started.#ended]);
    started.#lines.on("line", (line) => started.#take(line));
    return started;
  }

  private constructor(child: ChildProcess) {
    this.#process = child;
    this.#lines = createInterface(child.stdout!);
    // Of the pipe, not of the process: what was written before the end is read first.
    this.#ended = once(this.#lines, "close");
  }

  go(): void {
    this.#process.stdin!.write("go\n");
  }

  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.ended();
  }

  async ended(): Promise<void> {
    await this.#ended;
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
