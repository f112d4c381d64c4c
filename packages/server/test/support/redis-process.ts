import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";

const script = fileURLToPath(new URL("./redis-process.mjs", import.meta.url));

export interface Acknowledged {
  readonly stream: string;
  readonly epoch: string;
  readonly seq: number;
  readonly payload: string;
}

export interface RedisProcessWork {
  readonly client: "ioredis" | "node-redis";
  readonly port: number;
  /** Named `stream 0` and so on. */
  readonly streams: number;
  readonly inFlight: number;
  readonly appends: number;
}

/** A real process that appends to a Redis log, and tells what was acknowledged. */
export class RedisProcess {
  readonly acknowledged: Acknowledged[] = [];
  readonly #process: ChildProcess;
  readonly #lines: Interface;
  readonly #ended: Promise<unknown>;

  /** Resolves when it is connected. It appends from `go` on. */
  static async start(work: RedisProcessWork): Promise<RedisProcess> {
    const { client, port, streams, inFlight, appends } = work;
    const args = [client, port, streams, inFlight, appends].map(String);
    const child = spawn(process.execPath, [script, ...args], { stdio: ["pipe", "pipe", "inherit"] });
    const started = new RedisProcess(child);
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
