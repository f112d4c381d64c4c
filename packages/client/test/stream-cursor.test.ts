import { describe, expect, it } from "vitest";
import { heapInUse } from "../../server/test/support/heap.js";
import { StreamCursor } from "../src/stream/cursor.js";

/** A cursor that has read events with these ids. */
function after(...ids: readonly (string | undefined)[]): StreamCursor {
  const cursor = new StreamCursor();
  for (const id of ids) cursor.advance(id, true);
  return cursor;
}

describe("StreamCursor", () => {
  it("starts without a position, or at the one that was saved", () => {
    expect(new StreamCursor().eventId).toBeUndefined();
    expect(new StreamCursor("7", 250)).toMatchObject({ eventId: "7", retryMs: 250 });
  });

  it("moves to every id, that of a priming event included", () => {
    const cursor = after("1", "2");
    cursor.advance("3", false);
    expect(cursor.eventId).toBe("3");
  });

  it("stays where it is for an event without an id", () => {
    expect(after("1", undefined).eventId).toBe("1");
    expect(after("1").advance(undefined, true)).toBe(true);
  });

  it("is cleared by an empty id, and set again by the next one", () => {
    expect(after("1", "").eventId).toBeUndefined();
    expect(after("1", "", "2").eventId).toBe("2");
  });

  it("takes each of several events with an empty id for new", () => {
    expect([after("").advance("", true), after("1", "").advance("", true)]).toEqual([true, true]);
  });

  it("knows an event that came before, and does not move back to it", () => {
    const cursor = after("1", "2", "3");
    expect([cursor.advance("3", true), cursor.advance("1", true)]).toEqual([false, false]);
    expect(cursor.eventId).toBe("3");
  });

  it("takes the message for new whose id its priming event had already, as the Rust SDK sends it", () => {
    const cursor = new StreamCursor();
    cursor.advance("0/7", false);
    expect(cursor.advance("0/7", true)).toBe(true);
    expect(cursor.advance("0/7", true)).toBe(false);
  });

  it("does not take the saved position for a message that came: it may be a priming event's", () => {
    expect(new StreamCursor("0/7").advance("0/7", true)).toBe(true);
  });

  it("knows events again after the cursor was cleared", () => {
    expect(after("1", "2", "").advance("2", true)).toBe(false);
  });

  it("follows ids that go backwards when it has not seen them", () => {
    expect(after("9", "8", "7").eventId).toBe("7");
  });

  it.each([
    ["with a control character", "a\u0001b"],
    ["with a tab", "a\tb"],
    ["with DEL", "a\u007fb"],
    ["that begins with a space", " a"],
    ["that ends with a space", "a "],
    ["of 64 kB", "x".repeat(65_536)],
  ])("is cleared by an id %s: what comes after it could not be asked for without repeats", (_name, id) => {
    const cursor = after("1");
    expect(cursor.advance(id, true)).toBe(true);
    expect(cursor.eventId).toBeUndefined();
    cursor.advance("2", true);
    expect(cursor.eventId).toBe("2");
  });

  it.each(["1:abc:_GET_stream", "a b", "é", "日本", "😀", "x".repeat(4096)])("can stand at %j", (id) => {
    expect(after(id).eventId).toBe(id);
  });

  it("remembers the last 512 ids, and no more than twice as many", () => {
    const ids = Array.from({ length: 2000 }, (_, n) => `id-${n}`);
    const remembered = (n: number): boolean => !after(...ids).advance(`id-${n}`, true);
    expect([1999, 1488].map(remembered)).toEqual([true, true]);
    expect([975, 0].map(remembered)).toEqual([false, false]);
  });

  it("forgets everything when the server no longer knows the position", () => {
    const cursor = after("1", "2");
    cursor.reset();
    expect(cursor.eventId).toBeUndefined();
    expect(cursor.advance("1", true)).toBe(true);
  });

  it("remembers the ids of events, not the chunks that they came in", async () => {
    const chunks = 200;
    const chunkLength = 500_000;
    const before = await heapInUse();
    const cursor = new StreamCursor();
    for (let number = 0; number < chunks; number += 1) {
      const chunk = `id: ${number}:an-epoch:a-stream\ndata: ${"x".repeat(chunkLength)}`;
      // As a parser does it: a part of a long string keeps all of it in memory.
      cursor.advance(chunk.slice(4, chunk.indexOf("\n")), true);
    }
    const grown = (await heapInUse()) - before;
    expect(cursor.eventId).toBe(`${chunks - 1}:an-epoch:a-stream`);
    expect(grown).toBeLessThan((chunks * chunkLength) / 10);
  });
});
