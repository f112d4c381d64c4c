import { spawn } from "node:child_process";
import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { repetitions } from "../../../../test-support/repetitions.js";
import { itUnless } from "../../../../test-support/skip.js";
import { fileStore } from "../../src/stores/file/file-store.js";
import { ClientProcess, clientScript } from "./client-process.js";

const scope = { serverUrl: "https://mcp.example/mcp", partition: "alice" };
const { signal } = new AbortController();

/** A claim that only its heartbeat could keep is dropped after five seconds: what is faster did not wait for that. */
const AT_ONCE_MS = 4000;

describe("fileStore, with real processes", () => {
  let directory = "";
  let clients: ClientProcess[] = [];

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "resumable-mcp-state-"));
    clients = [];
  });
  afterEach(async () => {
    for (const client of clients) await client.kill();
    await rm(directory, { recursive: true, force: true });
  });

  const start = async (...[options, spawnOptions]: [object?, object?]) => {
    const client = await ClientProcess.start(directory, options, spawnOptions);
    clients.push(client);
    return client;
  };
  const lockNames = async () => (await readdir(directory)).filter((name) => name.endsWith(".lock"));
  const records = async () => {
    const names = (await readdir(directory)).filter((name) => name.endsWith(".json"));
    return (await Promise.all(names.map((name) => readFile(join(directory, name), "utf8")))).sort();
  };
  /** Leaves an orphan whose lock file is still there, as a crash does, and changes what the lock says. */
  const leaveCrashed = async (
    change: (identity: Record<string, unknown>) => unknown = (identity) => identity,
  ) => {
    const slot = await fileStore(directory).acquire(scope, signal);
    await slot.save({ crashed: true });
    const [name = ""] = await lockNames();
    const identity = JSON.parse(await readFile(join(directory, name), "utf8")) as Record<string, unknown>;
    await slot.release();
    await writeFile(join(directory, name), JSON.stringify(change(identity)));
    return join(directory, name);
  };

  it("gives two processes on one folder a slot each", async () => {
    const [first, second] = [await start(), await start()];
    expect(await first.ask("acquire", scope)).toEqual({ record: null });
    await first.ask("save", { of: "first" });
    expect(await second.ask("acquire", scope)).toEqual({ record: null });
    await second.ask("save", { of: "second" });
    expect(await records()).toEqual(['{"of":"first"}', '{"of":"second"}']);
  });

  it("gives a process that was killed and started again its record at once", async () => {
    const killed = await start();
    await killed.ask("acquire", scope);
    await killed.ask("save", { n: 1 });
    await killed.kill();
    expect(await lockNames()).toHaveLength(1);

    const restarted = await start();
    const begin = performance.now();
    expect(await restarted.ask("acquire", scope)).toEqual({ record: { n: 1 } });
    expect(performance.now() - begin).toBeLessThan(AT_ONCE_MS);
    expect(await lockNames()).toHaveLength(1);
  });

  it("gives a named slot back at once after SIGKILL, though others were used later", async () => {
    const named = await start({ slotName: "sync" });
    await named.ask("acquire", scope);
    await named.ask("save", { of: "sync" });
    await named.kill();
    const other = await start();
    await other.ask("acquire", scope);
    await other.ask("save", { of: "other" });
    await other.kill();
    const restarted = await start({ slotName: "sync" });
    expect(await restarted.ask("acquire", scope)).toEqual({ record: { of: "sync" } });
  });

  itUnless(
    process.platform === "linux" ? undefined : "it takes Linux's /proc and sh",
    "takes a killed process that its parent has not collected for dead",
    async () => {
      // The shell becomes a sleep, which never waits for the client that the shell started.
      const script = `mkfifo in; ${process.execPath} ${clientScript} . <in >out & echo $! >pid; exec 3>in; exec sleep 600`;
      const parent = spawn("sh", ["-c", script], {
        cwd: directory,
        stdio: ["ignore", "ignore", "inherit"],
      });
      try {
        const text = (name: string) => readFile(join(directory, name), "utf8");
        await vi.waitFor(async () => expect(await text("out")).toContain("ready"), { timeout: 20_000 });
        const commands = [
          ["acquire", scope],
          ["save", { n: 1 }],
        ].map((command) => `${JSON.stringify(command)}\n`);
        await writeFile(join(directory, "in"), commands.join(""));
        await vi.waitFor(async () => expect(await records()).toEqual(['{"n":1}']), { timeout: 20_000 });
        const pid = Number(await text("pid"));
        process.kill(pid, "SIGKILL");
        await vi.waitFor(async () => expect(await readFile(`/proc/${pid}/stat`, "utf8")).toContain(") Z "));

        const slot = await fileStore(directory).acquire(scope, signal);
        expect(await slot.load()).toEqual({ n: 1 });
        await slot.release();
      } finally {
        parent.kill("SIGKILL");
      }
    },
  );

  it("is not fooled by a process that got the dead one's pid", async () => {
    await leaveCrashed((identity) => ({ ...identity, started: "1" }));
    const slot = await fileStore(directory).acquire(scope, signal);
    expect(await slot.load()).toEqual({ crashed: true });
    await slot.release();
  });

  it("gives an orphan with a dead lock to exactly one of four processes that start at once", async () => {
    const contenders = await Promise.all([1, 2, 3, 4].map(() => start()));
    for (let round = 0; round < repetitions({ full: 50, scaled: 3 }); round++) {
      await leaveCrashed((identity) => ({ ...identity, started: "1" }));
      const found = await Promise.all(contenders.map((client) => client.ask("acquire", scope)));
      expect(found.map((answer) => JSON.stringify(answer)).sort()).toEqual([
        '{"record":null}',
        '{"record":null}',
        '{"record":null}',
        '{"record":{"crashed":true}}',
      ]);
      await Promise.all(contenders.map((client) => client.ask("release")));
      for (const name of await readdir(directory)) await rm(join(directory, name));
    }
  });

  it("holds a whole record after SIGKILL at any instant of saving", async () => {
    let least = 0;
    for (let round = 0; round < repetitions({ full: 60, scaled: 5 }); round++) {
      const client = await start();
      const answer = await client.ask("acquire", scope);
      expect(answer).not.toHaveProperty("error");
      const { record } = answer as { record: { n: number; end: number } | null };
      // Whole, and not older than what the last life was told is saved.
      expect(record?.end).toBe(record?.n);
      expect(record?.n ?? 0).toBeGreaterThanOrEqual(least);
      await client.ask("saveForEver");
      least = 1 + (round % 7);
      for (let told = 1; told < least; told++) await client.answer();
      // A save takes some 10 ms: at another instant of it in each round.
      await setTimeout((round * 5) % 18);
      await client.kill();
    }
    expect(await lockNames()).toHaveLength(1);
  });

  it("says state-unavailable, with the cause, for a folder that it may not write to or read", async () => {
    const asRoot = process.getuid?.() === 0;
    // Permission bits do not hold root back: the client then runs as nobody.
    const nobody = asRoot ? { uid: 65534, gid: 65534 } : {};
    await chmod(directory, 0o755);
    for (const [name, mode] of [
      ["read-only", 0o500],
      ["unreadable", 0o300],
    ] as const) {
      const folder = join(directory, name);
      await mkdir(folder);
      if (asRoot) await chown(folder, 65534, 65534);
      await chmod(folder, mode);
      const client = await ClientProcess.start(folder, {}, nobody);
      clients.push(client);
      expect(await client.ask("acquire", scope)).toMatchObject({
        error: "state-unavailable",
        cause: "EACCES",
      });
      await chmod(folder, 0o700);
    }
  });

  describe("when the lock is of a process that cannot be looked up, as in another container", () => {
    const elsewhere = (identity: Record<string, unknown>) => ({ ...identity, machine: "elsewhere" });
    const take = async () => {
      const slot = await fileStore(directory).acquire(scope, signal);
      const record = await slot.load();
      await slot.release();
      return record;
    };

    it("touches its own lock file every second, so that others can see that it lives", async () => {
      const slot = await fileStore(directory).acquire(scope, signal);
      const [name = ""] = await lockNames();
      const touched = async () => (await stat(join(directory, name))).mtimeMs;
      const first = await touched();
      await vi.waitFor(async () => expect(await touched()).toBeGreaterThan(first), { timeout: 10_000 });
      await slot.release();
    });

    it("leaves the slot alone as long as its lock file is touched", async () => {
      const lock = await leaveCrashed(elsewhere);
      const heartbeat = setInterval(() => void utimes(lock, new Date(), new Date()), 200);
      try {
        expect(await take()).toBeUndefined();
      } finally {
        clearInterval(heartbeat);
      }
    });

    it("takes the slot when the lock file was not touched for some seconds", async () => {
      await leaveCrashed(elsewhere);
      expect(await take()).toEqual({ crashed: true });
    });

    it("takes the slot at once when the lock file is older than a minute", async () => {
      const lock = await leaveCrashed(elsewhere);
      const then = new Date(Date.now() - 61_000);
      await utimes(lock, then, then);
      const begin = performance.now();
      expect(await take()).toEqual({ crashed: true });
      expect(performance.now() - begin).toBeLessThan(AT_ONCE_MS);
    });

    it("does the same with a lock file that a crash left empty", async () => {
      const lock = await leaveCrashed();
      await writeFile(lock, "");
      expect(await take()).toEqual({ crashed: true });
    });
  });
});
