import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { SqliteLogOptions } from "@resumable-mcp/server/sqlite";

const script = fileURLToPath(new URL("./sqlite-process.mjs", import.meta.url));

export interface Acknowledged {
  readonly stream: string;
  readonly epoch: string;
  readonly seq: number;
  readonly payload: string;
}

/** A real process that appends to a SQLite log and tells what was acknowledged. */
export class SqliteProcess {
  readonly acknowledged: Acknowledged[] = [];
  readonly #process: ChildProcess;
  readonly #lines: Interface;
  readonly #ended: Promise<unknown>;

  static async start(
    library: string,
    path: string,
    work: { streams: number; inFlight: number; appends: number; options?: SqliteLogOptions },
  ): Promise<SqliteProcess> {
    const { streams, inFlight, appends, options = {} } = work;
    const started = new SqliteProcess(
      spawn(
        process.execPath,
        [script, library, path, JSON.stringify(options), ...[streams, inFlight, appends].map(String)],
        {
          stdio: ["pipe", "pipe", "inherit"],
        },
      ),
    );
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
    const [stream, epoch, seq, payload] = parsed as [string, string, number, string];
    this.acknowledged.push({ stream, epoch, seq, payload });
  }
}
