import { mkdtemp, readdir, readFile, rm, stat, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stateStoreSuite } from "@resumable-mcp/testing/state-store-suite";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { itUnless } from "../../../../test-support/skip.js";
import { fileStore } from "../../src/stores/file/file-store.js";

const temporaryFolder = () => mkdtemp(join(tmpdir(), "resumable-mcp-state-"));

stateStoreSuite(
  { describe, it },
  {
    name: "fileStore",
    async create() {
      const directory = await temporaryFolder();
      return {
        directory,
        open: () => fileStore(directory),
        dispose: () => rm(directory, { recursive: true, force: true }),
      };
    },
    async corrupt({ directory }) {
      for (const name of await readdir(directory))
        if (name.endsWith(".json")) await truncate(join(directory, name), 5);
    },
  },
);

describe("fileStore", () => {
  const scope = { serverUrl: "https://mcp.example/mcp", partition: "alice" };
  const { signal } = new AbortController();
  let parent = "";
  let directory = "";

  beforeEach(async () => {
    parent = await temporaryFolder();
    directory = join(parent, "a", "b");
  });
  afterEach(() => rm(parent, { recursive: true, force: true }));

  const names = async (end: string) => (await readdir(directory)).filter((name) => name.endsWith(end));
  const leave = async (record: unknown, options = {}, from = scope) => {
    const slot = await fileStore(directory, options).acquire(from, signal);
    await slot.save(record);
    await slot.release();
  };
  const findIn = async (from: typeof scope, options = {}) => {
    const slot = await fileStore(directory, options).acquire(from, signal);
    try {
      return await slot.load();
    } finally {
      await slot.release();
    }
  };
  const find = (options = {}) => findIn(scope, options);

  itUnless(
    process.platform === "win32" ? "files have no mode bits on Windows" : undefined,
    "lets nobody but the owner read folder, record and lock",
    async () => {
      const slot = await fileStore(directory).acquire(scope, signal);
      await slot.save({ session: "secret" });
      const modes = await Promise.all(
        ["", ...(await names(".json")), ...(await names(".lock"))].map(
          async (name) => (await stat(join(directory, name))).mode & 0o777,
        ),
      );
      expect(modes).toEqual([0o700, 0o600, 0o600]);
      await slot.release();
    },
  );

  it("leaves the record and nothing else after release", async () => {
    await leave({ n: 1 });
    expect(await readdir(directory)).toEqual(await names(".json"));
    expect(await names(".json")).toHaveLength(1);
  });

  it("says state-unavailable, with the cause, where a file is in the folder's place", async () => {
    await writeFile(join(parent, "file"), "");
    for (const path of [join(parent, "file"), join(parent, "file", "below")])
      await expect(fileStore(path).acquire(scope, signal)).rejects.toMatchObject({
        name: "ResumeError",
        code: "state-unavailable",
        cause: { code: expect.stringMatching(/^(EEXIST|ENOTDIR)$/) as string },
      });
  });

  it("says state-unavailable when the folder disappears, and does not bring back a lost record", async () => {
    const slot = await fileStore(directory).acquire(scope, signal);
    await rm(directory, { recursive: true });
    await expect(slot.save({ n: 1 })).rejects.toMatchObject({ code: "state-unavailable" });
    await slot.release();
  });

  it("writes nothing once its lock file is gone, for the slot may be another's", async () => {
    const slot = await fileStore(directory).acquire(scope, signal);
    await slot.save({ n: 1 });
    for (const name of await names(".lock")) await rm(join(directory, name));
    await expect(slot.save({ n: 2 })).rejects.toMatchObject({ code: "state-unavailable" });
    await expect(slot.clear()).rejects.toMatchObject({ code: "state-unavailable" });
    await slot.release();
    expect(await find()).toEqual({ n: 1 });
  });

  it.each([
    ["an empty file", ""],
    ["half a record", '{"session":"18'],
    ["bytes that are no text", "\u0000\u0001\ufffd"],
  ])("reports %s as corrupt and leaves it as it is", async (_, content) => {
    await leave({ n: 1 });
    const [name = ""] = await names(".json");
    await writeFile(join(directory, name), content);
    const slot = await fileStore(directory).acquire(scope, signal);
    await expect(slot.load()).rejects.toMatchObject({ code: "state-corrupt" });
    expect(await readFile(join(directory, name), "utf8")).toBe(content);
    await slot.setAside();
    expect(await readFile(join(directory, `${name}.corrupt-1`), "utf8")).toBe(content);
    await slot.release();
  });

  it("keeps the last three records that were set aside", async () => {
    const slot = await fileStore(directory).acquire(scope, signal);
    for (const n of [1, 2, 3, 4, 5]) {
      await slot.save({ n });
      await slot.setAside();
    }
    const kept = (await readdir(directory)).filter((name) => name.includes(".corrupt-")).sort();
    expect(kept.map((name) => name.replace(/^.*\.json/, ""))).toEqual([
      ".corrupt-3",
      ".corrupt-4",
      ".corrupt-5",
    ]);
    expect(await Promise.all(kept.map((name) => readFile(join(directory, name), "utf8")))).toEqual([
      '{"n":3}',
      '{"n":4}',
      '{"n":5}',
    ]);
    await slot.release();
  });

  it("gives a name's slot to the client of that name only, first of all", async () => {
    await leave({ of: "sync" }, { slotName: "sync" });
    expect(await find()).toBeUndefined();
    expect(await find({ slotName: "backup" })).toBeUndefined();
    await leave({ of: "whoever" });
    expect(await find({ slotName: "sync" })).toEqual({ of: "sync" });
    expect(await findIn({ ...scope, partition: "bob" }, { slotName: "sync" })).toBeUndefined();
  });

  it("waits for its own slot while another client still has it", async () => {
    const first = await fileStore(directory, { slotName: "sync" }).acquire(scope, signal);
    await first.save({ n: 1 });
    const second = fileStore(directory, { slotName: "sync", waitMs: 60_000 }).acquire(scope, signal);
    await first.save({ n: 2 });
    await first.release();
    const slot = await second;
    expect(await slot.load()).toEqual({ n: 2 });
    await slot.release();
  });

  it("takes another slot when its own stays in use", async () => {
    const first = await fileStore(directory, { slotName: "sync" }).acquire(scope, signal);
    const second = await fileStore(directory, { slotName: "sync", waitMs: 50 }).acquire(scope, signal);
    await first.save({ n: 1 });
    expect(await second.load()).toBeUndefined();
    await first.release();
    await second.release();
  });

  it("ends the wait for its own slot with the signal's reason, and holds nothing then", async () => {
    const first = await fileStore(directory, { slotName: "sync" }).acquire(scope, signal);
    const controller = new AbortController();
    const second = fileStore(directory, { slotName: "sync", waitMs: 60_000 }).acquire(
      scope,
      controller.signal,
    );
    const reason = new Error("closed");
    await vi.waitFor(async () => expect(await names(".lock")).toHaveLength(1));
    controller.abort(reason);
    await expect(second).rejects.toBe(reason);
    expect(await names(".lock")).toHaveLength(1);
    await first.release();
    expect(await names(".lock")).toEqual([]);
  });

  describe("tidies when a client starts", () => {
    const age = async (name: string, ms: number) => {
      const then = new Date(Date.now() - ms);
      await utimes(join(directory, name), then, then);
    };

    it("removes orphans beyond the number to keep, the oldest", async () => {
      const slots = await Promise.all([0, 1, 2, 3].map(() => fileStore(directory).acquire(scope, signal)));
      for (const [n, slot] of slots.entries()) await slot.save({ n });
      for (const slot of slots) await slot.release();
      for (const name of await names(".json")) {
        const { n } = JSON.parse(await readFile(join(directory, name), "utf8")) as { n: number };
        await age(name, 10_000 - 1000 * n);
      }
      expect(await find({ maxOrphans: 2 })).toEqual({ n: 3 });
      const left = await Promise.all(
        (await names(".json")).map((name) => readFile(join(directory, name), "utf8")),
      );
      expect(left.sort()).toEqual(['{"n":2}', '{"n":3}']);
    });

    it("removes what is too old in every scope, but nothing that a client holds", async () => {
      await leave({ of: "bob" }, {}, { ...scope, partition: "bob" });
      await leave({ set: "aside" });
      const broken = await fileStore(directory).acquire(scope, signal);
      await broken.setAside();
      await broken.release();
      const live = await fileStore(directory).acquire({ ...scope, partition: "carol" }, signal);
      await live.save({ of: "carol" });
      for (const name of await readdir(directory)) if (!name.endsWith(".lock")) await age(name, 120_000);
      await leave({ of: "alice" }, { orphanMaxAgeMs: 60_000 });
      expect(await findIn({ ...scope, partition: "bob" })).toBeUndefined();
      expect(await find()).toEqual({ of: "alice" });
      expect(await live.load()).toEqual({ of: "carol" });
      expect((await readdir(directory)).filter((name) => name.includes(".corrupt-"))).toEqual([]);
      await live.release();
    });

    it("removes what a crash broke off, and leaves files that are not the store's alone", async () => {
      await leave({ n: 1 });
      const [record = ""] = await names(".json");
      const base = record.replace(".json", "");
      const other = base.replace(/auto-.*/, `auto-${"0".repeat(32)}`);
      await writeFile(join(directory, `${base}.0123456789abcdef.tmp`), '{"n":');
      await writeFile(join(directory, `${other}.0123456789abcdef.tmp`), "");
      await writeFile(join(directory, "notes.json"), "mine");
      await writeFile(join(directory, ".gitignore"), "*");
      expect(await find()).toEqual({ n: 1 });
      expect((await readdir(directory)).sort()).toEqual([".gitignore", "notes.json", record].sort());
    });
  });

  it.each([
    { slotName: "" },
    { slotName: "Sync" },
    { slotName: "../sync" },
    { slotName: "a".repeat(65) },
    { waitMs: -1 },
    { waitMs: 60_001 },
    { waitMs: Number.NaN },
    { maxOrphans: 0 },
    { maxOrphans: 2.5 },
    { orphanMaxAgeMs: 59_999 },
    { orphanMaxAgeMs: Number.POSITIVE_INFINITY },
  ])("refuses the option %j and says what is allowed", (options) => {
    const [name = ""] = Object.keys(options);
    expect(() => fileStore(directory, options)).toThrow(
      expect.objectContaining({
        code: "invalid-option",
        message: expect.stringMatching(new RegExp(`^${name} is .*; it must be `)) as string,
      }),
    );
  });

  // As a caller without types would give them; a URL is what `import.meta.url` leads to.
  it.each([
    ["an empty text", ""],
    ["a URL", new URL("file:///state")],
    ["null", null],
  ])("refuses %s for a path, and says so", (_name, given) => {
    expect(() => fileStore(given as string)).toThrow(
      expect.objectContaining({
        code: "invalid-option",
        message: expect.stringMatching(/^directory is .*; it must be /) as string,
      }),
    );
  });
});
