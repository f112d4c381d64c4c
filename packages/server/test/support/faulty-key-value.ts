import type { AsyncKeyValue, KeyValueOptions, KeyValuePutOptions } from "../../src/index.js";

/**
 * What becomes of a write:
 * - `fail`: it is refused, and has no effect;
 * - `lie`: it takes effect, and is reported as failed;
 * - `late`: it is reported as failed, and takes effect at the next `land()`;
 * - `hang`: nothing is ever answered, and it has no effect.
 */
export type Fate = "work" | "fail" | "lie" | "late" | "hang";

export type Operation = "get" | "getMany" | "put" | "putMany" | "delete" | "deleteMany" | "ttl";

export interface FaultyKeyValue extends AsyncKeyValue {
  /** Decides about each call; the collection tells heads from events. */
  fateOf: (operation: Operation, collection: string) => Fate;
  /** How many calls there were since it was last emptied, by operation and collection. */
  readonly counts: Map<string, number>;
  /** The keys that were put and not deleted, by collection, in the order of writing. */
  keysOf(collection: string): readonly string[];
  /** The ttl of the last put to a collection, in seconds. */
  readonly ttls: Map<string, number | undefined>;
  /** Lets the late writes take effect, in the order in which they were made. */
  land(): Promise<void>;
}

/** A key-value store that fails on purpose, around one that works. */
export function faultyKeyValue(inner: AsyncKeyValue): FaultyKeyValue {
  const late: (() => Promise<unknown>)[] = [];
  const counts = new Map<string, number>();
  const ttls = new Map<string, number | undefined>();
  const stored = new Map<string, Set<string>>();

  const notePut = (keys: readonly string[], { collection = "", ttl }: KeyValuePutOptions = {}): void => {
    ttls.set(collection, ttl);
    const known = stored.get(collection) ?? new Set();
    for (const key of keys) known.add(key);
    stored.set(collection, known);
  };
  const noteDelete = (keys: readonly string[], { collection = "" }: KeyValueOptions = {}): void => {
    for (const key of keys) stored.get(collection)?.delete(key);
  };

  const run = async <T>(operation: Operation, collection = "", work: () => Promise<T>): Promise<T> => {
    const name = `${operation} ${collection}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
    switch (faulty.fateOf(operation, collection)) {
      case "work":
        return work();
      case "fail":
        throw new Error("refused on purpose");
      case "lie":
        await work();
        throw new Error("the answer was lost on purpose");
      case "late":
        late.push(work);
        throw new Error("the answer was lost on purpose, and the write is late");
      case "hang":
        return new Promise<T>(() => undefined);
    }
  };

  const faulty: FaultyKeyValue = {
    fateOf: () => "work",
    counts,
    ttls,
    keysOf: (collection) => [...(stored.get(collection) ?? [])],
    land: async () => {
      for (const work of late.splice(0)) await work();
    },
    get: (key, options) => run("get", options?.collection, () => inner.get(key, options)),
    getMany: (keys, options) => run("getMany", options?.collection, () => inner.getMany(keys, options)),
    put: (key, value, options) =>
      run("put", options?.collection, async () => {
        await inner.put(key, value, options);
        notePut([key], options);
      }),
    putMany: (entries, options) =>
      run("putMany", options?.collection, async () => {
        await inner.putMany(entries, options);
        notePut(
          entries.map(({ key }) => key),
          options,
        );
      }),
    delete: (key, options) =>
      run("delete", options?.collection, async () => {
        await inner.delete(key, options);
        noteDelete([key], options);
      }),
    deleteMany: (keys, options) =>
      run("deleteMany", options?.collection, async () => {
        await inner.deleteMany(keys, options);
        noteDelete(keys, options);
      }),
    ttl: (key, options) => run("ttl", options?.collection, () => inner.ttl(key, options)),
  };
  return faulty;
}
