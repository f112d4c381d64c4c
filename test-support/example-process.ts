import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const START_LIMIT_MS = 50_000;

/** A server of `examples/`, in a process of its own, started as the guides say. */
export class ExampleProcess {
  readonly url: string;
  readonly #child: ChildProcess;
  readonly #output: () => string;

  private constructor(url: string, child: ChildProcess, output: () => string) {
    this.url = url;
    this.#child = child;
    this.#output = output;
  }

  /** Resolves when the server says where it listens. */
  static async start(name: string): Promise<ExampleProcess> {
    const child = spawn(process.execPath, ["scripts/example.mjs", name], {
      cwd: ROOT,
      env: { ...process.env, PORT: "0" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    const listening = new Promise<string>((resolve, reject) => {
      const timer = setTimeout(() => {
        child.kill("SIGKILL");
        reject(new Error(`The example ${name} did not start in time: ${output}`));
      }, START_LIMIT_MS);
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding("utf8").on("data", (chunk: string) => {
          output += chunk;
          const url = /^MCP server: (?<url>http:\S+)$/m.exec(output)?.groups?.url;
          if (url === undefined) return;
          clearTimeout(timer);
          resolve(url);
        });
      }
      child.once("exit", () => {
        clearTimeout(timer);
        reject(new Error(`The example ${name} ended: ${output}`));
      });
    });
    return new ExampleProcess(await listening, child, () => output);
  }

  /** All that it has printed. */
  get output(): string {
    return this.#output();
  }

  /** Asks it to stop, and returns its exit code once it has. */
  async stop(): Promise<number | null> {
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGTERM");
    await exited;
    return this.#child.exitCode;
  }

  /** Ends it at once, if it still runs. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await exited;
  }
}
