import { type ChildProcess, spawn, type SpawnOptions } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export const clientScript = fileURLToPath(new URL("./file-client.mjs", import.meta.url));

/** A real process that uses `fileStore`, driven over pipes. */
export class ClientProcess {
  readonly #process: ChildProcess;
  readonly #answers: AsyncIterator<string>;

  /** @param options - as for `spawn`; the process must be killed by whoever started it */
  static async start(
    directory: string,
    storeOptions: object = {},
    options: SpawnOptions = {},
  ): Promise<ClientProcess> {
    const client = new ClientProcess(
      spawn(process.execPath, [clientScript, directory, JSON.stringify(storeOptions)], {
        ...options,
        stdio: ["pipe", "pipe", "inherit"],
      }),
    );
    await client.answer();
    return client;
  }

  private constructor(child: ChildProcess) {
    this.#process = child;
    this.#answers = createInterface(child.stdout!)[Symbol.asyncIterator]();
  }

  /** The next line that the process printed; `undefined` when it ended. */
  async answer(): Promise<unknown> {
    const line = await this.#answers.next();
    return line.done === true ? undefined : JSON.parse(line.value);
  }

  async ask(command: string, argument: unknown = null): Promise<unknown> {
    this.#process.stdin!.write(`${JSON.stringify([command, argument])}\n`);
    return this.answer();
  }

  /** SIGKILL, as by a crash; resolves when the process is gone. */
  async kill(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exited = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await exited;
  }
}
