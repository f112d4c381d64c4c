import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { EventLog } from "../src/log/event-log.js";
import { memoryLog } from "../src/logs/memory.js";
import { parseEventId, type ParsedEventId } from "../src/store/event-id.js";
import { LimitedLog } from "../src/store/time-limited-log.js";
import { GAP_METHOD } from "../src/store/messages.js";
import { read, type Reader, type ReaderEntry, type ReaderSource } from "../src/store/replay-reader.js";
import { UnstoredMemory, UnstoredStream } from "../src/store/unstored-messages.js";
import { pause } from "./support/caller.js";
import { answer, numbered } from "./support/messages.js";

const RETENTION = { maxEvents: 6, maxBytes: null, ttlMs: null, headTtlMs: null };
const FAILURE = { error: new Error("no") as never, isUncertain: false, eventually: undefined };

/** A memory log that counts its subscriptions and can be kept from answering reads. */
class WatchedLog implements EventLog {
  readonly #log = memoryLog();
  readonly calls: string[] = [];
  subscriptions = 0;
  isHanging = false;
  onRead: () => Promise<void> = () => Promise.resolve();

  append: EventLog["append"] = (...args) => this.#log.append(...args);
  end: EventLog["end"] = (stream) => this.#log.end(stream);
  delete: EventLog["delete"] = (stream) => this.#log.delete(stream);
  close: EventLog["close"] = () => this.#log.close();

  read: EventLog["read"] = async (...args) => {
    this.calls.push("read");
    if (this.isHanging) return new Promise(() => undefined);
    const page = await this.#log.read(...args);
    await this.onRead();
    return page;
  };

  subscribe: EventLog["subscribe"] = (stream, wake) => {
    this.calls.push("subscribe");
    this.subscriptions += 1;
    const unsubscribe = this.#log.subscribe(stream, wake);
    return () => {
      this.subscriptions -= 1;
      unsubscribe();
    };
  };
}

let log: WatchedLog;
let unstored: UnstoredStream;
let cursor: ParsedEventId;
let abort: AbortController;

const put = (message: object): Promise<unknown> => log.append("s", JSON.stringify(message), RETENTION);

beforeEach(async () => {
  log = new WatchedLog();
  unstored = new UnstoredStream(new UnstoredMemory(10_000, () => undefined));
  abort = new AbortController();
  const position = await log.append("s", "null", RETENTION);
  cursor = { ...position, stream: "stream" };
});

afterEach(() => abort.abort());

function sourceWith(options: Partial<ReaderSource> = {}): ReaderSource {
  const limited = new LimitedLog(log, 1_000);
  const source = { log: limited, name: "s", streamId: "stream", pageSize: 2, unstored };
  return { ...source, endsWithResponse: true, refusesGaps: false, ...options };
}

const readerOf = (options?: Partial<ReaderSource>): Reader => read(sourceWith(options), cursor);
const follower = (options?: Partial<ReaderSource>): Reader =>
  read(sourceWith(options), cursor, { follow: true, signal: abort.signal });

const messageOf = ({ payload }: ReaderEntry): unknown => JSON.parse(payload);

/** Takes all pages, as they come. */
function collect(reader: Reader): { readonly entries: ReaderEntry[]; readonly done: Promise<void> } {
  const entries: ReaderEntry[] = [];
  const take = async (): Promise<void> => {
    for await (const page of reader) entries.push(...page);
  };
  return { entries, done: take() };
}

describe("a reader", () => {
  test("gives the messages after the cursor by pages, each with its event id and its JSON", async () => {
    for (const number of [1, 2, 3]) await put(numbered(number));
    const reader = readerOf();
    expect(await reader.verdict()).toEqual({ kind: "resumed" });
    const sizes: number[] = [];
    const entries: ReaderEntry[] = [];
    for await (const page of reader) {
      sizes.push(page.length);
      entries.push(...page);
    }
    expect(sizes).toEqual([2, 1]);
    expect(entries.map(messageOf)).toEqual([1, 2, 3].map(numbered));
    expect(entries.map(({ eventId }) => parseEventId(eventId))).toEqual(
      [2, 3, 4].map((seq) => ({ seq, epoch: cursor.epoch, stream: "stream" })),
    );
    expect(reader.isAtEnd).toBe(false);
    expect(log.calls).toEqual(["read", "read"]);
  });

  test("reads nothing ahead of whoever takes the pages", async () => {
    for (const number of [1, 2, 3, 4, 5]) await put(numbered(number));
    const pages = readerOf()[Symbol.asyncIterator]();
    await pages.next();
    await pause(5);
    expect(log.calls).toHaveLength(1);
    await pages.next();
    expect(log.calls).toHaveLength(2);
    await pages.return();
  });

  test("gives a gap in its place, with an event id and the notification that tells of it", async () => {
    for (let number = 1; number <= 8; number += 1) await put(numbered(number));
    const reader = readerOf();
    expect(await reader.verdict()).toEqual({ kind: "gap", missed: 2, from: 2, to: 3 });
    const { entries, done } = collect(reader);
    await done;
    const gap = { missed: 2, from: 2, to: 3 };
    expect(entries[0]).toMatchObject({ gap, eventId: `3:${cursor.epoch}:stream` });
    expect(messageOf(entries[0]!)).toEqual({ jsonrpc: "2.0", method: GAP_METHOD, params: gap });
    expect(entries.slice(1).map(messageOf)).toEqual([3, 4, 5, 6, 7, 8].map(numbered));
    expect(entries.slice(1).some((entry) => "gap" in entry)).toBe(false);
  });

  test("gives what comes before a gap that is to be refused, and fails there", async () => {
    for (const number of [1, 2, 3]) await put(numbered(number));
    const reader = readerOf({ refusesGaps: true, pageSize: 1 });
    await reader.verdict();
    log.onRead = async () => {
      log.onRead = () => Promise.resolve();
      for (let number = 4; number <= 12; number += 1) await put(numbered(number));
    };
    const { entries, done } = collect(reader);
    await expect(done).rejects.toMatchObject({ code: "unknown-event" });
    expect(entries.map(messageOf)).toEqual([1, 2, 3].slice(0, entries.length).map(numbered));
    expect(entries.length).toBeGreaterThan(0);
  });

  test("gives unstored messages in their places, and behind all others", async () => {
    await put(numbered(1));
    unstored.keep({ kind: "message", payload: JSON.stringify(numbered(2)) }, 2, FAILURE);
    await put(numbered(3));
    unstored.place(3);
    unstored.keep({ kind: "response", payload: JSON.stringify(answer(1)) }, 3, FAILURE);
    const reader = readerOf();
    const { entries, done } = collect(reader);
    await done;
    expect(entries.map(messageOf)).toEqual([numbered(1), numbered(2), numbered(3), answer(1)]);
    expect(entries.map(({ eventId }) => eventId.split(":")[0])).toEqual([
      "2",
      `2+${unstored.life}.1`,
      "3",
      `3+${unstored.life}.2`,
    ]);
    expect(reader.isAtEnd).toBe(true);
  });
});

describe("a reader that follows", () => {
  test("gives what comes later, and ends with the final response", async () => {
    await put(numbered(1));
    const reader = follower();
    expect(await reader.verdict()).toEqual({ kind: "resumed" });
    const { entries, done } = collect(reader);
    await vi.waitFor(() => expect(entries).toHaveLength(1), { interval: 1 });
    for (const number of [2, 3, 4]) await put(numbered(number));
    await vi.waitFor(() => expect(entries).toHaveLength(4), { interval: 1 });
    await put(answer(1));
    await done;
    expect(entries.map(messageOf)).toEqual([...[1, 2, 3, 4].map(numbered), answer(1)]);
    expect(reader.isAtEnd).toBe(true);
    expect(log.subscriptions).toBe(0);
  });

  test("subscribes before it reads, so that nothing falls between", async () => {
    const reader = follower();
    // Appended after the log has taken the page, and before it is given.
    log.onRead = async () => {
      log.onRead = () => Promise.resolve();
      await put(answer(1));
    };
    await reader.verdict();
    expect(log.calls).toEqual(["subscribe", "read"]);
    const { entries, done } = collect(reader);
    await done;
    expect(entries.map(messageOf)).toEqual([answer(1)]);
  });

  test.each(["before", "while"])("ends with a stream that is ended %s it is followed", async (when) => {
    await put(numbered(1));
    if (when === "before") await log.end("s");
    const { entries, done } = collect(follower());
    if (when === "while") {
      await vi.waitFor(() => expect(entries).toHaveLength(1), { interval: 1 });
      await put(numbered(2));
      await log.end("s");
    }
    await done;
    expect(entries.map(messageOf)).toEqual((when === "before" ? [1] : [1, 2]).map(numbered));
    expect(log.subscriptions).toBe(0);
  });

  test("does not end with a response where a stream may carry several", async () => {
    const { entries, done } = collect(follower({ endsWithResponse: false }));
    await put(answer(1));
    await put(answer(2));
    await vi.waitFor(() => expect(entries).toHaveLength(2), { interval: 1 });
    await log.end("s");
    await done;
  });

  test("gives a message that could not be stored, and what is stored after it", async () => {
    const { entries, done } = collect(follower());
    await pause(5);
    unstored.keep({ kind: "message", payload: JSON.stringify(numbered(1)) }, 1, FAILURE);
    await vi.waitFor(() => expect(entries).toHaveLength(1), { interval: 1 });
    await put(answer(1));
    unstored.place(2);
    await done;
    expect(entries.map(messageOf)).toEqual([numbered(1), answer(1)]);
  });

  test("waits with an event until all before it are in the log or in memory", async () => {
    let last = 1;
    const { entries, done } = collect(follower({ lastInOrder: () => last }));
    // Its append is still under way in this process: one before it may yet turn out to have failed.
    await put(answer(1));
    await pause(5);
    expect(entries).toEqual([]);
    unstored.keep({ kind: "message", payload: JSON.stringify(numbered(1)) }, 1, FAILURE);
    last = 2;
    unstored.place(2);
    await done;
    expect(entries.map(messageOf)).toEqual([numbered(1), answer(1)]);
  });

  test("tells what retention drops before it was read as a gap", async () => {
    const { entries, done } = collect(follower());
    await vi.waitFor(() => expect(log.calls).toHaveLength(2), { interval: 1 });
    await pause(1);
    await Promise.all(Array.from({ length: 9 }, (_, number) => put(numbered(number))));
    await log.end("s");
    await done;
    const missed = entries[0]?.gap?.missed ?? 0;
    expect(missed).toBe(3);
    expect(entries.slice(1).map(messageOf)).toEqual([3, 4, 5, 6, 7, 8].map(numbered));
  });

  test("ends with its signal while it waits, with the signal's reason", async () => {
    const { done } = collect(follower());
    const refused = expect(done).rejects.toThrow("the client has gone");
    await vi.waitFor(() => expect(log.calls).toHaveLength(2), { interval: 1 });
    abort.abort(new Error("the client has gone"));
    expect(log.subscriptions).toBe(0);
    await refused;
  });

  test("ends with its signal while the log does not answer", async () => {
    log.isHanging = true;
    const { done } = collect(follower());
    const refused = expect(done).rejects.toThrow("the client has gone");
    await vi.waitFor(() => expect(log.calls).toHaveLength(2), { interval: 1 });
    abort.abort(new Error("the client has gone"));
    await refused;
    expect(log.subscriptions).toBe(0);
  });

  test("lets go of the log when its pages are no longer taken, and when the cursor is no good", async () => {
    await put(numbered(1));
    for await (const page of follower()) {
      expect(page).toHaveLength(1);
      break;
    }
    expect(log.subscriptions).toBe(0);
    cursor = { ...cursor, epoch: "another" };
    expect(await follower().verdict()).toEqual({ kind: "unknown", reason: "other-epoch" });
    expect(log.subscriptions).toBe(0);
  });

  test("fails when the stream is lost", async () => {
    const { done } = collect(follower());
    const refused = expect(done).rejects.toMatchObject({ code: "unknown-event" });
    await vi.waitFor(() => expect(log.calls).toHaveLength(2), { interval: 1 });
    await log.delete("s");
    await refused;
    expect(log.subscriptions).toBe(0);
  });
});

describe("a reader that follows, while messages wait in memory", () => {
  test("gives what is stored first, also in a process that has stored nothing itself", async () => {
    await put(numbered(1));
    await put(numbered(2));
    unstored.keep({ kind: "response", payload: JSON.stringify(answer(9)) }, undefined, FAILURE);
    const { entries, done } = collect(follower());
    await done;
    expect(entries.map(messageOf)).toEqual([numbered(1), numbered(2), answer(9)]);
  });

  test("gives a message that fails while the page before it is taken after what was stored meanwhile", async () => {
    await put(numbered(1));
    let last = 2;
    const reader = follower({ lastInOrder: () => (unstored.hasTail ? last : Infinity) });
    const messages: unknown[] = [];
    for await (const page of reader) {
      messages.push(...page.map(messageOf));
      if (messages.length === 1) {
        await put(numbered(2));
        last = 3;
        unstored.place(3);
        unstored.keep({ kind: "response", payload: JSON.stringify(answer(9)) }, 3, FAILURE);
      }
    }
    expect(messages).toEqual([numbered(1), numbered(2), answer(9)]);
  });
});
