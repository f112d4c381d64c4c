import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EventLogCapabilities, EventLogFixture } from "@resumable-mcp/testing/event-log-suite";
import Keyv from "keyv";
import { createStorage } from "unstorage";
import fsDriver from "unstorage/drivers/fs";
import type { AsyncKeyValue, EventLog } from "../../src/index.js";
import { fromKeyv } from "../../src/logs/key-value/keyv.js";
import { memoryKeyValue } from "../../src/logs/key-value/memory-key-value.js";
import { fromUnstorage } from "../../src/logs/key-value/unstorage.js";
import { keyValueLog, type KeyValueLogOptions } from "../../src/logs/key-value/key-value-log.js";

export interface KeyValueBackendFixture {
  readonly keyValue: AsyncKeyValue;
  flush(): Promise<void>;
  dispose?(): Promise<void>;
}

/** A backend on empty storage, with a clock where it has one. */
export type CreateKeyValue = (now: () => number) => Promise<KeyValueBackendFixture>;

/** Every backend that the adapters are tested with: the real libraries, none of them imitated. */
export const keyValueBackends: Readonly<Record<string, CreateKeyValue>> = {
  memoryKeyValue: async (now) => {
    let current = memoryKeyValue({ now });
    // What a flush leaves is what a new one has.
    const keyValue: AsyncKeyValue = {
      get: (...args) => current.get(...args),
      getMany: (...args) => current.getMany(...args),
      put: (...args) => current.put(...args),
      putMany: (...args) => current.putMany(...args),
      delete: (...args) => current.delete(...args),
      deleteMany: (...args) => current.deleteMany(...args),
      ttl: (...args) => current.ttl(...args),
    };
    return {
      keyValue,
      flush: async () => {
        current = memoryKeyValue({ now });
      },
    };
  },
  "Keyv over a Map": async () => {
    const keyv = new Keyv();
    return { keyValue: fromKeyv(keyv), flush: () => keyv.clear() };
  },
  "unstorage in memory": async (now) => {
    const storage = createStorage();
    return { keyValue: fromUnstorage(storage, { now }), flush: () => storage.clear() };
  },
  "unstorage on files": async (now) => {
    const base = await mkdtemp(join(tmpdir(), "resumable-mcp-"));
    // The declarations of unstorage's drivers do not resolve under NodeNext; this one makes a Driver.
    // eslint-disable-next-line @typescript-eslint/no-unsafe-assignment
    const storage = createStorage({ driver: fsDriver({ base }) });
    return {
      keyValue: fromUnstorage(storage, { now }),
      flush: () => storage.clear(),
      dispose: () => rm(base, { recursive: true, force: true }),
    };
  },
};

export interface KeyValueLogFixture extends EventLogFixture {
  readonly clock: { ms: number };
  readonly backend: KeyValueBackendFixture;
  readonly open: (options?: KeyValueLogOptions) => EventLog;
}

/** A key-value log on one of the backends, on a clock that the test moves. */
export async function keyValueLogFixture(create: CreateKeyValue): Promise<KeyValueLogFixture> {
  // Not far from the real time, which Keyv goes by.
  const clock = { ms: Date.now() };
  const now = (): number => clock.ms;
  const backend = await create(now);
  const open = (options: KeyValueLogOptions = {}): EventLog =>
    keyValueLog(backend.keyValue, { now, ...options });
  return { clock, backend, log: open(), open, dispose: async () => backend.dispose?.() };
}

export const keyValueLogCapabilities: EventLogCapabilities<KeyValueLogFixture> = {
  time: {
    // Long enough that nothing really expires in the backend while a test runs.
    unitMs: 600_000,
    elapse: async ({ clock }, ms) => {
      clock.ms += ms;
    },
  },
  reopen: ({ open }) => open(),
  bounded: ({ open }, maxPendingBytes) => open({ maxPendingBytes }),
  flush: ({ backend }) => backend.flush(),
};
