// Starts a real Postgres server, with its data in a temporary folder.
import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, existsSync, readdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { freePort } from "./redis-server.js";
import { TestProcess } from "./test-process.js";

/** Where Debian's packages put the servers, one folder per version. */
const VERSIONS_FOLDER = "/usr/lib/postgresql";
/** How long a server may take to start, in milliseconds. */
const START_LIMIT_MS = 30_000;
/** Another process may take the port that was free a moment ago. */
const PORT_ATTEMPTS = 5;

/**
 * Why the tests that need a Postgres cannot run here; `undefined` when they can.
 *
 * @throws in CI, where there must be one.
 */
export function whyNoPostgres(): string | undefined {
  const reason = findReason();
  if (reason !== undefined && process.env.CI !== undefined) throw new Error(`In CI, ${reason}.`);
  return reason;
}

function findReason(): string | undefined {
  if (binaryFolder() === undefined) {
    return `there is no postgres under ${VERSIONS_FOLDER} (to run them: apt-get install postgresql)`;
  }
  if (process.getuid?.() === 0 && serverUser() === undefined) {
    return "postgres does not run as root, and there is no user postgres or nobody to run it as (to run them: do so as another user)";
  }
  return undefined;
}

/** The folder of the newest version that is installed. */
function binaryFolder(): string | undefined {
  if (!existsSync(VERSIONS_FOLDER)) return undefined;
  return readdirSync(VERSIONS_FOLDER)
    .sort((one, other) => Number(other) - Number(one))
    .map((version) => join(VERSIONS_FOLDER, version, "bin"))
    .find((folder) => existsSync(join(folder, "initdb")) && existsSync(join(folder, "postgres")));
}

interface User {
  readonly uid: number;
  readonly gid: number;
}

/** The user to run the server as when we are root, which it refuses. */
function serverUser(): User | undefined {
  for (const name of ["postgres", "nobody"]) {
    try {
      const ask = (what: string) =>
        Number(execFileSync("id", [what, name], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }));
      return { uid: ask("-u"), gid: ask("-g") };
    } catch {
      // There is no such user.
    }
  }
  return undefined;
}

/** A real `postgres` on 127.0.0.1, with its data in a temporary folder. Whoever starts it stops it. */
export class PostgresServer {
  readonly port: number;
  readonly #folder: string;
  readonly #binaries: string;
  readonly #user: User | undefined;
  #process: TestProcess | undefined;

  static async start(): Promise<PostgresServer> {
    const binaries = binaryFolder();
    if (binaries === undefined) throw new Error(findReason());
    const user = process.getuid?.() === 0 ? serverUser() : undefined;
    const folder = await mkdtemp(join(tmpdir(), "resumable-mcp-postgres-"));
    try {
      if (user !== undefined) chownSync(folder, user.uid, user.gid);
      chmodSync(folder, 0o700);
      const own = ["--pgdata", folder, "--username", "postgres", "--auth", "trust"];
      execFileSync(join(binaries, "initdb"), [...own, "--encoding", "UTF8", "--no-locale", "--no-sync"], {
        stdio: ["ignore", "ignore", "pipe"],
        cwd: "/",
        ...user,
      });
      for (let attempt = 1; ; attempt += 1) {
        const server = new PostgresServer(await freePort(), folder, binaries, user);
        try {
          await server.startAgain();
          return server;
        } catch (error) {
          if (attempt >= PORT_ATTEMPTS) throw error;
        }
      }
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  private constructor(port: number, folder: string, binaries: string, user: User | undefined) {
    this.port = port;
    this.#folder = folder;
    this.#binaries = binaries;
    this.#user = user;
  }

  get url(): string {
    return `postgres://postgres@127.0.0.1:${this.port}/postgres`;
  }

  /** Starts the server on the data that it left; returns when it answers. */
  async startAgain(): Promise<void> {
    const endsAt = performance.now() + START_LIMIT_MS;
    for (;;) {
      try {
        await this.#launch();
        return;
      } catch (error) {
        // The backends of a killed server end by themselves, a moment later; until then a new one refuses to start.
        const isStillEnding = error instanceof Error && error.message.includes("shared memory block");
        if (!isStillEnding || performance.now() > endsAt) throw error;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }

  async #launch(): Promise<void> {
    const settings = { listen_addresses: "127.0.0.1", unix_socket_directories: "", max_connections: "100" };
    const args = ["-D", this.#folder, "-p", String(this.port)];
    for (const [name, value] of Object.entries(settings)) args.push("-c", `${name}=${value}`);
    const child = new TestProcess(join(this.#binaries, "postgres"), args, {
      cwd: "/",
      ...this.#user,
      lastSignal: "SIGQUIT",
    });
    this.#process = child;
    const endsAt = performance.now() + START_LIMIT_MS;
    while (!(await this.#answers())) {
      if (child.isOver) throw new Error(`postgres ended:\n${child.output}`);
      if (performance.now() > endsAt) {
        await this.kill();
        throw new Error(`postgres did not answer within ${START_LIMIT_MS} ms:\n${child.output}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Ends it at once, as a crash would. Its backends notice, and end too. */
  async kill(): Promise<void> {
    await this.#process?.kill();
  }

  /** Runs one statement over a connection of its own. */
  async query(text: string, params: unknown[] = []): Promise<Record<string, unknown>[]> {
    const client = new Client({ connectionString: this.url });
    // The statement fails with what the connection fails with.
    client.on("error", () => undefined);
    await client.connect();
    try {
      return (await client.query<Record<string, unknown>>(text, params)).rows;
    } finally {
      await client.end();
    }
  }

  async stop(): Promise<void> {
    // Its immediate shutdown: it ends its backends, and leaves the data to be thrown away.
    await this.#process?.kill("SIGQUIT");
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 10 });
  }

  /** Whether this very server, and not another one on the same port, answers. */
  async #answers(): Promise<boolean> {
    try {
      const [row] = await this.query("SELECT current_setting('data_directory') AS folder");
      return row?.folder === this.#folder;
    } catch {
      return false;
    }
  }
}
