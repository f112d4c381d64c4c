import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { memoryStore, ResumeError, type Slot, type StateStore } from "../src/index.js";
import { type ClientRecord, emptyRecord, parseRecord, type SavedCall } from "../src/state/client-record.js";
import { Saver } from "../src/state/saver.js";
import { eventually } from "./sdk/eventually.js";

const SCOPE = { serverUrl: "http://127.0.0.1/mcp", partition: "" };
const never = (): Promise<never> => new Promise(() => undefined);

const savedCall = (id: string, startedAt = Date.now()): SavedCall => ({
  id,
  method: "tools/call",
  startedAt,
});

/** A store whose slot holds this value, with some of its steps replaced. */
function storeOf(value: unknown, steps: Partial<Slot> = {}) {
  const done: string[] = [];
  const saved: unknown[] = [];
  const step = (name: string) => () => {
    done.push(name);
    return Promise.resolve();
  };
  const slot: Slot = {
    load: () => Promise.resolve(value),
    save(record) {
      saved.push(structuredClone(record));
      return Promise.resolve();
    },
    clear: step("clear"),
    setAside: step("setAside"),
    release: step("release"),
    ...steps,
  };
  return { store: { acquire: () => Promise.resolve(slot) } satisfies StateStore, done, saved };
}

/** All that lives: its parts of the record are changed one at a time. */
class State {
  readonly #saver: Saver;
  readonly #changed: Partial<Record<keyof ClientRecord, unknown>> = {};

  constructor(saver: Saver) {
    this.#saver = saver;
    saver.keep(() => this.#changed as Partial<ClientRecord>);
  }

  get record(): ClientRecord {
    return this.#saver.toJSON();
  }

  change(part: Partial<ClientRecord>): void {
    Object.assign(this.#changed, part);
    this.#saver.schedule();
  }

  readonly flush = (): Promise<void> => this.#saver.flush();
  readonly clear = (): Promise<void> => this.#saver.clear();
  readonly release = (): Promise<void> => this.#saver.release();
}

async function open(store: StateStore, maxAgeMs = 60_000) {
  const errors: ResumeError[] = [];
  const onError = (error: ResumeError): void => void errors.push(error);
  const { signal } = new AbortController();
  const saver = await Saver.open({ store, scope: SCOPE, maxAgeMs, onError, signal });
  return { state: new State(saver), errors };
}

describe("a saved record", () => {
  const valid = {
    ...emptyRecord(),
    savedAt: Date.now(),
    session: { id: "s", protocolVersion: "2025-11-25" },
    initialize: {
      params: {},
      result: { protocolVersion: "2025-11-25", capabilities: {}, serverInfo: { name: "n", version: "1" } },
    },
    calls: [{ ...savedCall("a-0"), key: "k", params: {}, cursor: "c", retryMs: 5, session: {} }],
    serverRequests: [
      { request: { jsonrpc: "2.0", id: 0, method: "ping" }, event: "e", call: "a-0", session: {} },
    ],
    answered: ["e"],
    listenCursor: "l",
    logLevel: "info",
    subscriptions: ["a:1"],
  };

  test("that is whole is taken as it is, also after its way through JSON", () => {
    expect(parseRecord(valid)).toEqual(valid);
    expect(parseRecord(JSON.parse(JSON.stringify(valid)))).toEqual(valid);
    expect(parseRecord(JSON.parse(JSON.stringify({ ...emptyRecord(), savedAt: 1 })))).toMatchObject({
      savedAt: 1,
    });
  });

  test.each<readonly [string, unknown]>([
    ["nothing", undefined],
    ["text", "{}"],
    ["a list", [valid]],
    ["null", null],
    ["a newer version", { ...valid, version: 2 }],
    ["no version", { ...valid, version: undefined }],
    ["no time", { ...valid, savedAt: "now" }],
    ["a session that is text", { ...valid, session: "s" }],
    ["a session id that is a number", { ...valid, session: { id: 1 } }],
    ["a session id that no header can carry", { ...valid, session: { id: "a\nb" } }],
    ["a session id that is not Latin-1", { ...valid, session: { id: "日本" } }],
    ["a version that no header can carry", { ...valid, session: { protocolVersion: "2025\n" } }],
    [
      "a call whose session id no header can carry",
      { ...valid, calls: [{ ...savedCall("x"), session: { id: "\0" } }] },
    ],
    ["an initialize without a result", { ...valid, initialize: { params: {} } }],
    ["an initialize whose result no client accepts", { ...valid, initialize: { params: {}, result: {} } }],
    ["calls that are no list", { ...valid, calls: {} }],
    ["a call without an id", { ...valid, calls: [{ ...savedCall("x"), id: undefined }] }],
    ["a call whose id no header can carry", { ...valid, calls: [savedCall("x\ny")] }],
    ["a call without its time", { ...valid, calls: [{ ...savedCall("x"), startedAt: undefined }] }],
    ["a call with a cursor that is a number", { ...valid, calls: [{ ...savedCall("x"), cursor: 5 }] }],
    ["a call with parameters that are text", { ...valid, calls: [{ ...savedCall("x"), params: "p" }] }],
    [
      "a server request that is a notification",
      { ...valid, serverRequests: [{ request: { jsonrpc: "2.0", method: "x" } }] },
    ],
    ["a bare server request", { ...valid, serverRequests: [{ jsonrpc: "2.0", id: 1, method: "x" }] }],
    ["answers that are numbers", { ...valid, answered: [1] }],
    ["subscriptions that are numbers", { ...valid, subscriptions: [1] }],
    ["a log level that is a number", { ...valid, logLevel: 3 }],
  ])("that is %s is refused", (_, value) => {
    expect(parseRecord(value)).toBeUndefined();
  });

  test("that a store has frozen is a record like others", () => {
    const frozen = Object.freeze({ ...valid, calls: Object.freeze([Object.freeze(savedCall("x"))]) });
    const record = parseRecord(frozen)!;
    const calls = record.calls as SavedCall[];
    Object.assign(calls[0]!, { cursor: "moved on" });
    calls.push(savedCall("y"));
    expect([record.calls.length, frozen.calls]).toEqual([2, [savedCall("x")]]);
  });

  test.each([
    ["a newer version", { ...valid, version: 2 }],
    ["of the wrong shape", { ...valid, calls: 1 }],
  ])("%s is set aside and reported, and the life starts afresh and saves", async (_, value) => {
    const { store, done, saved } = storeOf(value);
    const { state, errors } = await open(store);
    expect(errors).toMatchObject([{ code: "state-corrupt" }]);
    expect(done).toEqual(["setAside"]);
    expect(state.record).toEqual(emptyRecord());
    state.change({ logLevel: "info" });
    await state.flush();
    expect(saved).toMatchObject([{ logLevel: "info" }]);
  });

  test("that the store calls corrupt is set aside too", async () => {
    const { store, done } = storeOf(undefined, {
      load: () => Promise.reject(new ResumeError("state-corrupt", "not JSON")),
    });
    const { errors } = await open(store);
    expect(errors).toMatchObject([{ code: "state-corrupt" }]);
    expect(done).toEqual(["setAside"]);
  });

  test("that cannot be set aside is not overwritten", async () => {
    const setAside = (): Promise<void> => Promise.reject(new Error("disk full"));
    const { store, saved } = storeOf({ version: 7 }, { setAside });
    const { state } = await open(store);
    state.change({ logLevel: "info" });
    await state.flush();
    expect(saved).toEqual([]);
    expect(state.record.logLevel).toBe("info");
  });

  test("that cannot be read just now is not overwritten, and the slot is given back", async () => {
    const { store, done, saved } = storeOf(undefined, { load: () => Promise.reject(new Error("busy")) });
    const { state, errors } = await open(store);
    expect(errors).toMatchObject([{ code: "state-unavailable", cause: { message: "busy" } }]);
    state.change({ logLevel: "info" });
    await state.release();
    expect(saved).toEqual([]);
    expect(done).toEqual(["release"]);
  });

  test("older than maxAgeMs is forgotten; younger is not", async () => {
    const old = { ...valid, savedAt: Date.now() - 60_001 };
    expect((await open(storeOf(old).store)).state.record).toEqual(emptyRecord());
    const young = { ...valid, savedAt: Date.now() - 50_000 };
    const { state, errors } = await open(storeOf(young).store);
    expect(state.record).toEqual(young);
    expect(errors).toEqual([]);
  });

  test("loses single calls that are older than maxAgeMs, and all but the newest hundred", async () => {
    const now = Date.now();
    const calls = [
      savedCall("old", now - 60_001),
      ...Array.from({ length: 150 }, (_, n) => savedCall(`c${n}`, now)),
    ];
    const { state } = await open(storeOf({ ...valid, calls }).store);
    expect(state.record.calls).toHaveLength(100);
    expect(state.record.calls[0]?.id).toBe("c50");
    expect(state.record.calls.at(-1)?.id).toBe("c149");
  });
});

describe("saving", () => {
  test("the changes of one tick are one write, of what is newest", async () => {
    const { store, saved } = storeOf(undefined);
    const { state } = await open(store);
    for (let n = 0; n < 50; n += 1) state.change({ listenCursor: `c${n}` });
    await state.flush();
    expect(saved).toMatchObject([{ listenCursor: "c49" }]);
  });

  test("one write is in flight, one waits; flush() waits for its own change, and for no later one", async () => {
    const writes: { readonly cursor: unknown; readonly end: () => void }[] = [];
    const { store } = storeOf(undefined, {
      save: (record) =>
        new Promise<void>((end) =>
          writes.push({ cursor: (record as { listenCursor: unknown }).listenCursor, end }),
        ),
    });
    const { state } = await open(store);
    const change = (cursor: string): void => state.change({ listenCursor: cursor });
    change("1");
    await eventually(() => expect(writes).toHaveLength(1));
    for (const cursor of ["2", "3", "4"]) change(cursor);
    let flushed = false;
    const flush = state.flush().then(() => (flushed = true));
    await Promise.resolve();
    expect(writes).toHaveLength(1);
    writes[0]!.end();
    await eventually(() => expect(writes.map(({ cursor }) => cursor)).toEqual(["1", "4"]));
    change("5");
    expect(flushed).toBe(false);
    writes[1]!.end();
    await flush;
    await eventually(() => expect(writes).toHaveLength(3));
    writes[2]!.end();
  });

  test("a store that fails is reported once, again after it has worked, and the record lives on", async () => {
    let isBroken = true;
    const { store } = storeOf(undefined, {
      save: () => (isBroken ? Promise.reject(new Error("quota")) : Promise.resolve()),
    });
    const { state, errors } = await open(store);
    const change = async (): Promise<void> => {
      state.change({ logLevel: "info" });
      await state.flush();
    };
    await change();
    await change();
    expect(errors).toMatchObject([{ code: "state-unavailable", cause: { message: "quota" } }]);
    isBroken = false;
    await change();
    isBroken = true;
    await change();
    expect(errors).toHaveLength(2);
    expect(state.record.logLevel).toBe("info");
  });

  test("nothing is saved after release()", async () => {
    const { store, saved, done } = storeOf(undefined);
    const { state, errors } = await open(store);
    state.change({ logLevel: "info" });
    await state.release();
    state.change({ logLevel: "error" });
    await state.flush();
    expect(saved).toHaveLength(1);
    expect(done).toEqual(["release"]);
    expect(errors).toEqual([]);
  });

  test("clear() forgets in memory and in the store", async () => {
    const store = memoryStore();
    const { state } = await open(store);
    state.change({ logLevel: "info" });
    await state.clear();
    expect(state.record).toEqual(emptyRecord());
    await state.release();
    expect((await open(store)).state.record).toEqual(emptyRecord());
  });
});

describe("a store that hangs", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test("while it acquires is given up after 10 s, and a slot that comes late is given back", async () => {
    let acquired: ((slot: Slot) => void) | undefined;
    const opening = open({ acquire: () => new Promise((resolve) => (acquired = resolve)) });
    await vi.advanceTimersByTimeAsync(9_999);
    const isOpen = vi.fn();
    void opening.then(isOpen);
    await vi.advanceTimersByTimeAsync(0);
    expect(isOpen).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    const { state, errors } = await opening;
    expect(errors).toMatchObject([{ code: "state-unavailable" }]);
    state.change({ logLevel: "info" });
    await state.flush();
    const { store, done } = storeOf(undefined);
    acquired!(await store.acquire());
    await vi.advanceTimersByTimeAsync(0);
    expect(done).toEqual(["release"]);
  });

  test("while it loads is given up after 10 s, and not written to", async () => {
    const { store, saved } = storeOf(undefined, { load: never });
    const opening = open(store);
    await vi.advanceTimersByTimeAsync(10_000);
    const { state, errors } = await opening;
    expect(errors).toMatchObject([{ code: "state-unavailable" }]);
    state.change({ logLevel: "info" });
    await state.flush();
    expect(saved).toEqual([]);
  });

  test("while it saves holds up the first who waits for 2 s, nobody else, and keeps one write", async () => {
    const save = vi.fn(never);
    const { state, errors } = await open(storeOf(undefined, { save }).store);
    state.change({ logLevel: "info" });
    const first = vi.fn();
    void state.flush().then(first);
    await vi.advanceTimersByTimeAsync(1_999);
    expect(first).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(first).toHaveBeenCalled();
    expect(errors).toMatchObject([{ code: "state-unavailable" }]);
    for (let n = 0; n < 20; n += 1) {
      state.change({ listenCursor: `${n}` });
      await state.flush();
    }
    expect(save).toHaveBeenCalledTimes(1);
    expect(vi.getTimerCount()).toBe(0);
    expect(errors).toHaveLength(1);
  });

  test("for a while is waited for again once it has answered", async () => {
    let end: (() => void) | undefined;
    const save = vi.fn(() => new Promise<void>((resolve) => (end = resolve)));
    const { state } = await open(storeOf(undefined, { save }).store);
    state.change({ logLevel: "info" });
    const late = state.flush();
    await vi.advanceTimersByTimeAsync(2_000);
    await late;
    end!();
    await vi.advanceTimersByTimeAsync(0);
    state.change({ logLevel: "error" });
    const flushed = vi.fn();
    void state.flush().then(flushed);
    await vi.advanceTimersByTimeAsync(0);
    expect(flushed).not.toHaveBeenCalled();
    expect(save).toHaveBeenCalledTimes(2);
    end!();
    await vi.advanceTimersByTimeAsync(0);
    expect(flushed).toHaveBeenCalled();
  });

  test.each(["clear", "release"] as const)("while it does %s fails, typed, after 10 s", async (step) => {
    const { state } = await open(storeOf(undefined, { [step]: never }).store);
    const outcome = vi.fn();
    void state[step]().catch(outcome);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(outcome.mock.calls[0]?.[0]).toMatchObject({ code: "state-unavailable" });
  });

  test("while it sets aside is given up after 10 s", async () => {
    const opening = open(storeOf({ version: 9 }, { setAside: never }).store);
    await vi.advanceTimersByTimeAsync(10_000);
    expect((await opening).state.record).toEqual(emptyRecord());
  });
});
