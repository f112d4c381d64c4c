import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";

const script = fileURLToPath(new URL("./postgres-process.mjs", import.meta.url));

export interface Acknowledged {
  readonly stream: string;
  readonly epoch: string;
  readonly seq: number;
  readonly payload: string;
}

/** A real process that appends to a Postgres log and tells what was acknowledged. */
export class PostgresProcess {
  readonly acknowledged: Acknowledged[] = [];
  readonly #process: ChildProcess;
  readonly #lines: Interface;
  readonly #ended: Promise<unknown>;

  static async start(
    { url, schema }: { url: string; schema: string },
    { streams, inFlight, appends }: { streams: number; inFlight: number; appends: number },
  ): Promise<PostgresProcess> {
    const numbers = [streams, inFlight, appends].map(String);
    const started = new PostgresProcess(
      spawn(process.execPath, [script, url, schema, ...numbers], { stdio: ["pipe", "pipe", "inherit"] }),
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
    // The script writes nothing else.
    const [stream, epoch, seq, payload] = parsed as [string, string, number, string];
    this.acknowledged.push({ stream, epoch, seq, payload });
  }
}
