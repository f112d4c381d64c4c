// Starts the processes that tests need, reads what they print, and ends them: at the latest with the tests themselves.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface, type Interface } from "node:readline";
import type { Readable } from "node:stream";

export interface TestProcessOptions {
  readonly cwd?: string;
  /** Added to this process's own environment. */
  readonly env?: Readonly<Record<string, string>>;
  readonly uid?: number;
  readonly gid?: number;
  /** What ends it if it still runs when this process exits. @defaultValue SIGKILL */
  readonly lastSignal?: NodeJS.Signals;
}

/** So much of the output is kept, in characters: the end of it. */
const MAX_OUTPUT = 20_000;

export class TestProcess {
  /** What it prints on stdout, line by line. */
  readonly lines: Interface;
  /**
   * Resolves to its exit code, `null` after a signal, once it is gone and all that it printed has been read: what it
   * wrote before its end comes first.
   */
  readonly ended: Promise<number | null>;
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  #output = "";

  constructor(command: string, args: readonly string[], options: TestProcessOptions = {}) {
    const { env, lastSignal = "SIGKILL", ...others } = options;
    const child = spawn(command, args, {
      ...others,
      env: { ...process.env, ...env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.#child = child;
    // A process that is gone does not take what is written to it.
    child.stdin.on("error", () => undefined);
    for (const stream of [child.stdout, child.stderr]) this.#keep(stream);
    this.lines = createInterface(child.stdout);
    this.ended = new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", resolve);
    });
    this.ended.catch(() => undefined);
    this.#exited = new Promise((resolve) => {
      child.once("error", resolve);
      child.once("exit", resolve);
    });
    const endWithUs = () => child.kill(lastSignal);
    process.once("exit", endWithUs);
    child.once("exit", () => process.off("exit", endWithUs));
  }

  /** A process of Node that runs a script. */
  static node(script: string, args: readonly string[] = [], options: TestProcessOptions = {}): TestProcess {
    return new TestProcess(process.execPath, [script, ...args], options);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** The end of all that it has printed, on stdout and stderr. */
  get output(): string {
    return this.#output;
  }

  get isOver(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  write(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  /**
   * Resolves to what matches in its output, as soon as something does.
   *
   * @throws when it ends before, or takes longer.
   */
  async printed(pattern: RegExp, limitMs: number): Promise<RegExpExecArray> {
    const endsAt = performance.now() + limitMs;
    for (;;) {
      const found = pattern.exec(this.#output);
      if (found !== null) return found;
      if (this.isOver) throw new Error(`The process ended before it printed ${pattern}:\n${this.#output}`);
      if (performance.now() > endsAt)
        throw new Error(`The process did not print ${pattern} within ${limitMs} ms:\n${this.#output}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Resolves at its next line, or at its end. */
  async nextLine(): Promise<void> {
    const over = new AbortController();
    const line = once(this.lines, "line", { signal: over.signal }).catch(() => undefined);
    await Promise.race([line, this.ended]);
    over.abort();
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Asks it to stop, and resolves to its exit code once it has. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number | null> {
    this.signal(signal);
    return this.ended;
  }

  /** Ends it at once, as a crash does, unless another signal is given, and resolves when it is gone. */
  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    if (!this.isOver) this.signal(signal);
    await this.#exited;
  }

  #keep(stream: Readable): void {
    stream.setEncoding("utf8").on("data", (chunk: string) => {
      this.#output = (this.#output + chunk).slice(-MAX_OUTPUT);
    });
  }
}
