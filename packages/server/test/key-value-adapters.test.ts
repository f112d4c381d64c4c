import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Keyv, { type KeyvStoreAdapter } from "keyv";
import { createStorage, prefixStorage } from "unstorage";
import fsDriver from "unstorage/drivers/fs";
import { afterEach, describe, expect, it } from "vitest";
import type { AsyncKeyValue } from "../src/index.js";
import { fromKeyv, type KeyvLike } from "../src/logs/key-value/keyv.js";
import { memoryKeyValue } from "../src/logs/key-value/memory-key-value.js";
import { fromUnstorage, type UnstorageLike } from "../src/logs/key-value/unstorage.js";
import { type KeyValueBackendFixture, keyValueBackends } from "./support/key-value-fixtures.js";

/** Keys that separators, paths, case folding, reserved names or length limits would throw together. */
const ODD_KEYS = [
  ...[
    "",
    " ",
    "a",
    "A",
    "a:",
    ":a",
    "a:b",
    "a::b",
    "a/b",
    "a\\b",
    "a?b",
    "a?c",
    "a$",
    ".",
    "..",
    "a..b",
    "../a",
  ],
  ...[
    "é",
    "e\u0301",
    "😀",
    "\ud83d",
    "\ude00",
    "\ufffd",
    "\0",
    "\n",
    "con",
    "k-a",
    "h-a",
    "=0061",
    "a.b",
    "a-b",
  ],
  ...["__proto__", "constructor", "null", "true", "keyv:a", "A".repeat(100), "a".repeat(100)],
  ..."xy".split("").map((end) => "a".repeat(4095) + end),
];

/** Values that a careless serialisation would change. */
const ODD_VALUES = [
  "",
  "null",
  "1e3",
  '{"__proto__":1}',
  ":a",
  ":base64:AAAA",
  "é 😀 \ud83d \0",
  "a\nb",
  '"',
];

const clock = { ms: 0 };
const fixtures: KeyValueBackendFixture[] = [];
afterEach(async () => {
  for (const fixture of fixtures.splice(0)) await fixture.dispose?.();
});

describe.each(Object.entries(keyValueBackends))("the key-value protocol on %s", (_, create) => {
  const open = async (): Promise<AsyncKeyValue> => {
    clock.ms = Date.now();
    const fixture = await create(() => clock.ms);
    fixtures.push(fixture);
    return fixture.keyValue;
  };

  it("returns what was put, replaces it, and knows nothing after a delete", async () => {
    const keyValue = await open();
    expect(await keyValue.get("key")).toBeUndefined();
    await keyValue.put("key", { n: 1, nested: { list: [1, null, "x", true] } });
    expect(await keyValue.get("key")).toEqual({ n: 1, nested: { list: [1, null, "x", true] } });
    await keyValue.put("key", { n: 2 });
    expect(await keyValue.get("key")).toEqual({ n: 2 });
    await keyValue.delete("key");
    await keyValue.delete("key");
    expect(await keyValue.get("key")).toBeUndefined();
  });

  it("puts, returns and deletes many, in the order of the keys", async () => {
    const keyValue = await open();
    const keys = ["b", "a", "missing", "c"];
    await keyValue.putMany(["a", "b", "c"].map((key) => ({ key, value: { key } })));
    expect(await keyValue.getMany(keys)).toEqual([{ key: "b" }, { key: "a" }, undefined, { key: "c" }]);
    await keyValue.deleteMany(["a", "missing", "c"]);
    expect(await keyValue.getMany(keys)).toEqual([{ key: "b" }, undefined, undefined, undefined]);
    await keyValue.putMany([]);
    expect(await keyValue.getMany([])).toEqual([]);
    await keyValue.deleteMany([]);
  });

  it("keeps apart keys and collections that look alike, in any characters and length", async () => {
    const keyValue = await open();
    expect(new Set(ODD_KEYS).size).toBe(ODD_KEYS.length);
    const collections = [undefined, "", "a", "a:", "A", "😀", "c".repeat(200), "n"];
    for (const [index, collection] of collections.entries()) {
      const options = collection === undefined ? {} : { collection };
      await keyValue.putMany(
        ODD_KEYS.map((key, number) => ({ key, value: { index, number } })),
        options,
      );
    }
    for (const [index, collection] of collections.entries()) {
      const options = collection === undefined ? {} : { collection };
      const values = await keyValue.getMany(ODD_KEYS, options);
      expect(values).toEqual(ODD_KEYS.map((_key, number) => ({ index, number })));
      for (const [number, key] of ODD_KEYS.entries()) {
        expect(await keyValue.get(key, options)).toEqual({ index, number });
      }
    }
  });

  it("returns strings as they were put", async () => {
    const keyValue = await open();
    await keyValue.put("key", { list: ODD_VALUES });
    expect(await keyValue.get("key")).toEqual({ list: ODD_VALUES });
    for (const text of ODD_VALUES) {
      await keyValue.put("key", { text });
      expect(await keyValue.get("key")).toEqual({ text });
    }
  });

  it("shares no object with its callers", async () => {
    const keyValue = await open();
    const value = { list: [1] };
    await keyValue.put("key", value);
    value.list.push(2);
    expect(await keyValue.get("key")).toEqual({ list: [1] });
  });

  it("forgets a key when its ttl has passed, and tells what it has left", async () => {
    const keyValue = await open();
    await keyValue.put("short", { n: 1 }, { ttl: 0.05 });
    await keyValue.putMany([{ key: "long", value: { n: 2 } }], { ttl: 60 });
    await keyValue.put("for ever", { n: 3 });
    const long = await keyValue.ttl("long");
    expect(long?.value).toEqual({ n: 2 });
    expect(long?.ttl).toBeGreaterThan(50);
    expect(long?.ttl).toBeLessThanOrEqual(60);
    expect(await keyValue.ttl("for ever")).toEqual({ value: { n: 3 }, ttl: null });
    expect(await keyValue.ttl("missing")).toBeUndefined();
    // The adapters with a clock go by it, Keyv by the real time.
    clock.ms += 1000;
    await expect.poll(() => keyValue.get("short")).toBeUndefined();
    expect(await keyValue.ttl("short")).toBeUndefined();
    expect(await keyValue.getMany(["short", "long"])).toEqual([undefined, { n: 2 }]);
  });

  it("starts the ttl anew with each put, and ends it with a put without one", async () => {
    const keyValue = await open();
    await keyValue.put("key", { n: 1 }, { ttl: 60 });
    await keyValue.put("key", { n: 2 });
    expect(await keyValue.ttl("key")).toEqual({ value: { n: 2 }, ttl: null });
  });

  it.each([0, -1, Number.NaN])("refuses a ttl of %s seconds, and stores nothing", async (ttl) => {
    const keyValue = await open();
    await expect(keyValue.put("key", { n: 1 }, { ttl })).rejects.toMatchObject({ code: "invalid-option" });
    await expect(keyValue.putMany([{ key: "key", value: {} }], { ttl })).rejects.toMatchObject({
      code: "invalid-option",
    });
    expect(await keyValue.get("key")).toBeUndefined();
  });
});

/** A Keyv store over a Map that fails on request, as a database would, with or without the many-key methods. */
function brokenKeyvStore(withMany: boolean) {
  const map = new Map<string, unknown>();
  const state = { isBroken: false };
  const guard = <T>(work: () => T): Promise<T> =>
    state.isBroken ? Promise.reject(new Error("connection lost on purpose")) : Promise.resolve(work());
  const store = {
    opts: {},
    on: () => store,
    get: (key: string) => guard(() => map.get(key)),
    set: (key: string, value: unknown) => guard(() => void map.set(key, value)),
    delete: (key: string) => guard(() => map.delete(key)),
    clear: () => guard(() => map.clear()),
    ...(withMany && {
      getMany: (keys: string[]) => guard(() => keys.map((key) => map.get(key))),
      setMany: (entries: { key: string; value: unknown }[]) =>
        guard(() => entries.forEach(({ key, value }) => map.set(key, value))),
      deleteMany: (keys: string[]) => guard(() => keys.map((key) => map.delete(key)).every(Boolean)),
    }),
  };
  // Keyv's own type of a store asks for generics that a plain Map cannot promise; it calls no more than these.
  return { state, store: store as unknown as KeyvStoreAdapter };
}

describe("fromKeyv", () => {
  for (const withMany of [true, false]) {
    for (const throwOnErrors of [true, false]) {
      const kind = `${withMany ? "with" : "without"} many-key methods, throwOnErrors ${throwOnErrors}`;
      it(`turns every failure of a store into a rejection (${kind})`, async () => {
        const { state, store } = brokenKeyvStore(withMany);
        const keyv = new Keyv(store, { throwOnErrors });
        keyv.on("error", () => undefined);
        const keyValue = fromKeyv(keyv);
        await keyValue.putMany(["a", "b"].map((key) => ({ key, value: { key } })));
        state.isBroken = true;
        await expect(keyValue.get("a")).rejects.toThrow();
        await expect(keyValue.getMany(["a", "b"])).rejects.toThrow();
        await expect(keyValue.ttl("a")).rejects.toThrow();
        await expect(keyValue.put("a", {})).rejects.toThrow();
        await expect(keyValue.putMany([{ key: "a", value: {} }])).rejects.toThrow();
        await expect(keyValue.delete("a")).rejects.toThrow();
        await expect(keyValue.deleteMany(["a", "b"])).rejects.toThrow();
        state.isBroken = false;
        expect(await keyValue.getMany(["a", "b"])).toEqual([{ key: "a" }, { key: "b" }]);
      });
    }
  }

  it("does not confuse keys that look like Keyv's own prefix", async () => {
    const keyv = new Keyv({ namespace: "ns" });
    const keyValue = fromKeyv(keyv);
    await keyValue.put("ns:a", { n: 1 });
    await keyValue.putMany([{ key: "a", value: { n: 2 } }]);
    expect(await keyValue.getMany(["ns:a", "a"])).toEqual([{ n: 1 }, { n: 2 }]);
    await keyValue.deleteMany(["ns:a"]);
    expect(await keyValue.getMany(["ns:a", "a"])).toEqual([undefined, { n: 2 }]);
  });

  it("does not take over a ttl that Keyv has as its default", async () => {
    const keyValue = fromKeyv(new Keyv({ ttl: 1 }));
    await keyValue.put("key", { n: 1 });
    await keyValue.putMany([{ key: "other", value: { n: 2 } }]);
    expect(await keyValue.ttl("key")).toEqual({ value: { n: 1 }, ttl: null });
    expect(await keyValue.ttl("other")).toEqual({ value: { n: 2 }, ttl: null });
  });

  it("refuses what is no Keyv of the right version, and says what is missing", () => {
    // As a caller without types would give it.
    const old = { get: () => undefined, set: () => undefined } as unknown as KeyvLike;
    expect(() => fromKeyv(old)).toThrow(
      expect.objectContaining({
        code: "invalid-option",
        message: expect.stringContaining("getRaw") as string,
      }),
    );
  });
});

describe("fromUnstorage", () => {
  it("gives the driver a ttl in whole seconds, never less than a minute, and expires exactly all the same", async () => {
    const ttls: unknown[] = [];
    const map = new Map<string, string>();
    const driver = {
      hasItem: (key: string) => map.has(key),
      getItem: (key: string) => map.get(key) ?? null,
      getKeys: () => [...map.keys()],
      setItem: (key: string, value: string, options: { ttl?: number }) => {
        ttls.push(options.ttl);
        map.set(key, value);
      },
    };
    const clock = { ms: 0 };
    const keyValue = fromUnstorage(createStorage({ driver }), { now: () => clock.ms });
    await keyValue.put("a", { n: 1 }, { ttl: 0.5 });
    await keyValue.putMany([{ key: "b", value: { n: 2 } }], { ttl: 90.5 });
    await keyValue.put("c", { n: 3 });
    expect(ttls).toEqual([60, 91, undefined]);
    clock.ms = 500;
    expect(await keyValue.getMany(["a", "b", "c"])).toEqual([undefined, { n: 2 }, { n: 3 }]);
    clock.ms = 90_500;
    expect(await keyValue.getMany(["a", "b", "c"])).toEqual([undefined, undefined, { n: 3 }]);
  });

  it("works on a part of a storage, beside what others keep there", async () => {
    const storage = createStorage();
    await storage.setItem("other", "value");
    const keyValue = fromUnstorage(prefixStorage(storage, "mcp"));
    await keyValue.putMany(["a", "b"].map((key) => ({ key, value: { key } })));
    expect(await keyValue.getMany(["b", "a"])).toEqual([{ key: "b" }, { key: "a" }]);
    expect(await storage.getItem("other")).toBe("value");
  });

  it("turns every failure of a driver into a rejection", async () => {
    const broken = (): never => {
      throw new Error("disk failed on purpose");
    };
    const driver = { hasItem: broken, getItem: broken, getKeys: broken, setItem: broken, removeItem: broken };
    const keyValue = fromUnstorage(createStorage({ driver }));
    await expect(keyValue.get("a")).rejects.toThrow("disk failed");
    await expect(keyValue.getMany(["a"])).rejects.toThrow("disk failed");
    await expect(keyValue.ttl("a")).rejects.toThrow("disk failed");
    await expect(keyValue.put("a", {})).rejects.toThrow("disk failed");
    await expect(keyValue.putMany([{ key: "a", value: {} }])).rejects.toThrow("disk failed");
    await expect(keyValue.delete("a")).rejects.toThrow("disk failed");
    await expect(keyValue.deleteMany(["a"])).rejects.toThrow("disk failed");
  });

  it("takes a file that a crash left half-written for an absent one", async () => {
    const base = await mkdtemp(join(tmpdir(), "resumable-mcp-"));
    try {
      // The declarations of unstorage's drivers do not resolve under NodeNext; this one makes a Driver.
      // eslint-disable-next-line @typescript-eslint/no-unsafe-assignment
      const keyValue = fromUnstorage(createStorage({ driver: fsDriver({ base }) }));
      await keyValue.put("key", { text: "whole" }, { collection: "c" });
      const [file = ""] = await readdir(join(base, "k-c"));
      for (const left of ['{"value":{"text":"who', "", "{}", "null", '"text"']) {
        await writeFile(join(base, "k-c", file), left);
        expect(await keyValue.get("key", { collection: "c" })).toBeUndefined();
        expect(await keyValue.getMany(["key"], { collection: "c" })).toEqual([undefined]);
      }
    } finally {
      await rm(base, { recursive: true, force: true });
    }
  });

  it("refuses what is no unstorage instance, and says what is missing", () => {
    // As a caller without types would give it.
    const none = { getItem: () => undefined } as unknown as UnstorageLike;
    expect(() => fromUnstorage(none)).toThrow(
      expect.objectContaining({
        code: "invalid-option",
        message: expect.stringContaining("getItems") as string,
      }),
    );
  });
});

describe("memoryKeyValue", () => {
  it("holds at most as many keys as it was told, the newest", async () => {
    const keyValue = memoryKeyValue({ maxEntries: 2 });
    for (const key of ["a", "b", "a", "c"]) await keyValue.put(key, { key });
    expect(await keyValue.getMany(["a", "b", "c"])).toEqual([{ key: "a" }, undefined, { key: "c" }]);
  });

  it("gives back the place of expired keys before it drops living ones, without being asked for them", async () => {
    const clock = { ms: 0 };
    const keyValue = memoryKeyValue({ maxEntries: 100, now: () => clock.ms });
    await keyValue.put("living", { n: 1 });
    for (let n = 0; n < 90; n += 1) await keyValue.put(`short ${n}`, {}, { ttl: 1 });
    clock.ms = 2000;
    for (let n = 0; n < 95; n += 1) await keyValue.put(`new ${n}`, {});
    expect(await keyValue.get("living")).toEqual({ n: 1 });
  });

  it.each([
    ["maxEntries", 0],
    ["maxEntries", 1.5],
    ["now", "noon"],
  ])("refuses %s = %s", (option, value) => {
    // As a caller without types would give it.
    const options = { [option]: value } as Parameters<typeof memoryKeyValue>[0];
    expect(() => memoryKeyValue(options)).toThrow(
      expect.objectContaining({
        code: "invalid-option",
        message: expect.stringContaining(option) as string,
      }),
    );
  });
});
