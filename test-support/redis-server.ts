// Starts real Redis servers, alone or as a cluster, each with its data in a temporary folder.
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";

import { TestProcess } from "./test-process.js";

/**
 * Why the tests that need a Redis cannot run here; `undefined` when they can.
 *
 * @throws in CI, where there must be one.
 */
export function whyNoRedis(): string | undefined {
  try {
    execFileSync("redis-server", ["--version"], { stdio: "ignore" });
    return undefined;
  } catch (error) {
    const reason = "there is no redis-server on the PATH (to run them: apt-get install redis-server)";
    if (process.env.CI !== undefined) throw new Error(`In CI, ${reason}.`, { cause: error });
    return reason;
  }
}

export interface RedisServerOptions {
  /** Whether each write is on the disk before it is answered; otherwise nothing is ever saved. @defaultValue false */
  readonly isDurable?: boolean;
  /** Whether it is one of a cluster, still without slots and others. @defaultValue false */
  readonly isClusterNode?: boolean;
  /** More of the server's own options, as on its command line. @defaultValue none */
  readonly args?: readonly string[];
}

/** How long a server may take to start, in milliseconds. */
const START_LIMIT_MS = 20_000;
/** Another process may take the port that was free a moment ago. */
const PORT_ATTEMPTS = 5;

/** A real `redis-server` on 127.0.0.1, with its data in a temporary folder. Whoever starts it stops it. */
export class RedisServer {
  readonly port: number;
  readonly #folder: string;
  readonly #args: readonly string[];
  #process: TestProcess | undefined;

  static async start(options: RedisServerOptions = {}): Promise<RedisServer> {
    const folder = await mkdtemp(join(tmpdir(), "resumable-mcp-redis-"));
    for (let attempt = 1; ; attempt += 1) {
      // Its bus would be 10000 above the port, which need not exist, nor be free.
      const cluster = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-port"];
      const own = options.isClusterNode === true ? [...cluster, String(await freePort())] : [];
      const args = [...own, ...(options.args ?? [])];
      const server = new RedisServer(await freePort(), folder, { ...options, args });
      try {
        await server.startAgain();
        return server;
      } catch (error) {
        if (attempt < PORT_ATTEMPTS) continue;
        await rm(folder, { recursive: true, force: true });
        throw error;
      }
    }
  }

  private constructor(port: number, folder: string, { isDurable = false, args = [] }: RedisServerOptions) {
    this.port = port;
    this.#folder = folder;
    const saving = isDurable ? ["--appendonly", "yes", "--appendfsync", "always"] : ["--appendonly", "no"];
    const own = ["--port", String(port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""];
    this.#args = [...own, "--daemonize", "no", ...saving, ...args];
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Starts the server on the data that it left; returns when it answers. */
  async startAgain(): Promise<void> {
    const child = (this.#process = new TestProcess("redis-server", this.#args));
    const endsAt = performance.now() + START_LIMIT_MS;
    while (!(await this.#answers())) {
      if (child.isOver) throw new Error(`redis-server ended:\n${child.output}`);
      if (performance.now() > endsAt) {
        await this.kill();
        throw new Error(`redis-server did not answer within ${START_LIMIT_MS} ms:\n${child.output}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Ends it at once, as a crash would. */
  async kill(): Promise<void> {
    await this.#process?.kill();
  }

  /** Lets it stand still, so that it answers nothing, until `resume`. */
  pause(): void {
    this.#process?.signal("SIGSTOP");
  }

  resume(): void {
    this.#process?.signal("SIGCONT");
  }

  /** Runs one command over a connection of its own. */
  async command(name: string, ...args: string[]): Promise<unknown> {
    const client = new Redis(this.port, "127.0.0.1", { retryStrategy: () => null });
    // The command fails with what the connection fails with.
    client.on("error", () => undefined);
    try {
      return await client.call(name, ...args);
    } finally {
      client.disconnect();
    }
  }

  async stop(): Promise<void> {
    await this.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** Whether this very process, and not another one on the same port, answers and has loaded its data. */
  async #answers(): Promise<boolean> {
    try {
      const info = String(await this.command("INFO", "server"));
      return info.includes(`process_id:${String(this.pid)}\r\n`);
    } catch {
      return false;
    }
  }
}

/** Three servers that share the slots of a cluster. */
export class RedisCluster {
  readonly nodes: readonly RedisServer[];

  static async start(): Promise<RedisCluster> {
    const nodes: RedisServer[] = [];
    try {
      for (let node = 0; node < 3; node += 1) {
        nodes.push(await RedisServer.start({ isClusterNode: true }));
      }
      await joinCluster(nodes);
      return new RedisCluster(nodes);
    } catch (error) {
      await Promise.all(nodes.map((node) => node.stop()));
      throw error;
    }
  }

  private constructor(nodes: readonly RedisServer[]) {
    this.nodes = nodes;
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()));
  }
}

const SLOTS = 16_384;

async function joinCluster(nodes: readonly RedisServer[]): Promise<void> {
  const [first] = nodes;
  if (first === undefined) return;
  for (const [index, node] of nodes.entries()) {
    const from = Math.floor((index * SLOTS) / nodes.length);
    const to = Math.floor(((index + 1) * SLOTS) / nodes.length) - 1;
    await node.command("CLUSTER", "ADDSLOTSRANGE", String(from), String(to));
    if (node !== first) {
      const busPort = await node.command("CONFIG", "GET", "cluster-port");
      const meeting = ["MEET", "127.0.0.1", String(node.port), String(Array.isArray(busPort) && busPort[1])];
      await first.command("CLUSTER", ...meeting);
    }
  }
  const endsAt = performance.now() + START_LIMIT_MS;
  for (const node of nodes) {
    while (!(await isComplete(node, nodes.length))) {
      if (performance.now() > endsAt)
        throw new Error(`The cluster did not form within ${START_LIMIT_MS} ms.`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

async function isComplete(node: RedisServer, size: number): Promise<boolean> {
  const info = String(await node.command("CLUSTER", "INFO"));
  return info.includes("cluster_state:ok") && info.includes(`cluster_size:${size}`);
}

/** A port of 127.0.0.1 that nothing listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("A TCP server has a port.");
  return address.port;
}
