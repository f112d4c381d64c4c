// Runs a real process that uses `fileStore`, and drives it over pipes.
import { fileURLToPath } from "node:url";

import { TestProcess, type TestProcessOptions } from "../../../../test-support/test-process.js";

export const clientScript = fileURLToPath(new URL("./file-client.mjs", import.meta.url));

export class ClientProcess {
  readonly #process: TestProcess;
  readonly #answers: AsyncIterator<string>;

  static async start(
    directory: string,
    storeOptions: object = {},
    options: TestProcessOptions = {},
  ): Promise<ClientProcess> {
    const process = TestProcess.node(clientScript, [directory, JSON.stringify(storeOptions)], options);
    const client = new ClientProcess(process);
    await client.answer();
    return client;
  }

  private constructor(process: TestProcess) {
    this.#process = process;
    this.#answers = process.lines[Symbol.asyncIterator]();
  }

  /** The next line that the process printed; `undefined` when it ended. */
  async answer(): Promise<unknown> {
    const line = await this.#answers.next();
    return line.done === true ? undefined : JSON.parse(line.value);
  }

  async ask(command: string, argument: unknown = null): Promise<unknown> {
    this.#process.write(JSON.stringify([command, argument]));
    return this.answer();
  }

  /** SIGKILL, as by a crash; resolves when the process is gone. */
  kill(): Promise<void> {
    return this.#process.kill();
  }
}
