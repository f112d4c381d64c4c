import { getEventListeners } from "node:events";
import type { EventSourceMessage } from "eventsource-parser";
import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { type EventReader, readEvents } from "../src/stream/read-events.js";
import { body, type BodyEnd, event } from "./support/msw-server.js";

interface Reading {
  readonly events: readonly EventSourceMessage[];
  readonly retries: readonly number[];
  readonly error: unknown;
}

/** Reads a whole body. */
async function read(
  source: ReadableStream<Uint8Array>,
  options: Partial<EventReader> = {},
  signal = new AbortController().signal,
): Promise<Reading> {
  const events: EventSourceMessage[] = [];
  const retries: number[] = [];
  const error: unknown = await readEvents(
    source,
    {
      onEvent: (message) => void events.push(message),
      onRetry: (ms) => void retries.push(ms),
      wantsMore: () => true,
      isWatched: () => false,
      silenceMs: 1000,
      maxEventLength: 1000,
      ...options,
    },
    signal,
  ).catch((reason: unknown) => reason);
  return { events, retries, error };
}

const readText = (text: string, end: BodyEnd = "close"): Promise<Reading> => read(body([text], end));
const dataOf = ({ events }: Reading): readonly string[] => events.map(({ data }) => data);

it("does not begin to wait when it was aborted before", async () => {
  const cancelled = vi.fn();
  const source = new ReadableStream<Uint8Array>({ cancel: cancelled });
  const { error } = await read(source, {}, AbortSignal.abort(new Error("enough")));
  expect(error).toMatchObject({ message: "enough" });
  expect(cancelled).toHaveBeenCalledOnce();
});

/** Cuts bytes where it is told to. */
function split(bytes: Uint8Array, borders: readonly number[]): Uint8Array[] {
  const edges = [0, ...[...borders].sort((a, b) => a - b), bytes.length];
  return edges.slice(1).map((edge, n) => bytes.subarray(edges[n], edge));
}

afterEach(() => void vi.useRealTimers());

describe("readEvents", () => {
  it("reads id, type, data and retry", async () => {
    const { events, retries } = await readText(event({ id: "1", event: "message", retry: 250, data: "x" }));
    expect(events).toEqual([{ id: "1", event: "message", data: "x" }]);
    expect(retries).toEqual([250]);
  });

  it("leaves a `retry:` out that is not made of digits", async () => {
    expect((await readText("retry: soon\nretry: -1\nretry: 1.5\nretry: 10ms\n\n")).retries).toEqual([]);
  });

  it("reads a priming event, whose data is empty", async () => {
    expect((await readText(event({ id: "1", data: "" }))).events).toMatchObject([{ id: "1", data: "" }]);
  });

  it("reads nothing in an event without data, its id included: MCP primes with an empty data field", async () => {
    const { events } = await readText(event({ id: "1" }) + event({ data: "x" }));
    expect(events).toMatchObject([{ id: undefined, data: "x" }]);
  });

  it("ignores an id that contains NULL", async () => {
    expect((await readText("id: a\0b\ndata: x\n\n")).events).toMatchObject([{ id: undefined, data: "x" }]);
  });

  it.each(["\n", "\r\n", "\r"])("reads lines that end with %j", async (end) => {
    const text = ["id: 1", "data: a", "data: b", "", "data: c", "", ": the end", "", ""].join(end);
    expect(dataOf(await readText(text))).toEqual(["a\nb", "c"]);
  });

  it("skips a byte order mark", async () => {
    expect(dataOf(await readText("\ufeffdata: x\n\n"))).toEqual(["x"]);
  });

  it("drops an event that the connection broke off", async () => {
    expect(dataOf(await readText("data: whole\n\ndata: broken off"))).toEqual(["whole"]);
    expect(dataOf(await readText("data: whole\n\ndata: broken off\n"))).toEqual(["whole"]);
  });

  it("reads the same whatever the chunks, also in the middle of a character or of CRLF", async () => {
    const text = [
      "id: 1",
      "data: häß 日本 😀",
      "",
      "id: é",
      "data: 2",
      "",
      ": x",
      "data: 3",
      "",
      "",
      "",
    ].join("\r\n");
    const bytes = new TextEncoder().encode(text);
    const borders = fc.array(fc.nat({ max: bytes.length }), { maxLength: bytes.length });
    await fc.assert(
      fc.asyncProperty(borders, async (at) => {
        const { events, error } = await read(body(split(bytes, at), "close"));
        expect(error).toBeUndefined();
        expect(events.map(({ id, data }) => [id, data])).toEqual([
          ["1", "häß 日本 😀"],
          ["é", "2"],
          [undefined, "3"],
        ]);
      }),
    );
  });

  it("reads it byte by byte, too", async () => {
    const bytes = new TextEncoder().encode(event({ id: "é", data: "😀" }));
    const { events } = await read(body(split(bytes, [...bytes.keys()]), "close"));
    expect(events).toMatchObject([{ id: "é", data: "😀" }]);
  });

  it("reads 10 000 events out of one chunk, in order", async () => {
    const numbers = Array.from({ length: 10_000 }, (_, n) => String(n));
    const text = numbers.map((n) => event({ id: n, data: n })).join("");
    expect(dataOf(await readText(text))).toEqual(numbers);
  });

  it("takes one event at a time, and reads no further before it was taken", async () => {
    let atOnce = 0;
    let most = 0;
    const onEvent = async (): Promise<void> => {
      most = Math.max(most, ++atOnce);
      await Promise.resolve();
      atOnce -= 1;
    };
    const parts = [event({ data: "1" }) + event({ data: "2" }), event({ data: "3" })];
    await read(body(parts, "close"), { onEvent });
    expect(most).toBe(1);
  });

  it("stops reading in the middle of a chunk when it has what it wanted", async () => {
    const events: string[] = [];
    const onEvent = ({ data }: EventSourceMessage): undefined => void events.push(data);
    const parts = [event({ data: "1" }) + event({ data: "2" }) + event({ data: "3" })];
    await read(body(parts, "stall"), { onEvent, wantsMore: () => events.length < 2 });
    expect(events).toEqual(["1", "2"]);
  });

  it("gives the connection back when it has what it wanted", async () => {
    const cancel = vi.fn();
    const source = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(new TextEncoder().encode(event({ data: "1" }))),
      cancel,
    });
    await read(source, { wantsMore: () => false });
    expect(cancel).toHaveBeenCalledOnce();
  });

  it("rejects with what broke the connection, after everything that came before", async () => {
    const reading = await readText(event({ data: "1" }), "cut");
    expect(dataOf(reading)).toEqual(["1"]);
    expect(reading.error).toMatchObject({ message: "The socket was closed" });
  });

  it.each([
    ["an endless line", "data: "],
    ["an endless field name", ""],
    ["an endless id", "id: "],
    ["an endless comment", ": "],
  ])(
    "ends %s with a typed error, and holds no more of it than the limit and a chunk",
    async (_name, start) => {
      let pulled = 0;
      const source = new ReadableStream<Uint8Array>(
        {
          start: (controller) => controller.enqueue(new TextEncoder().encode(event({ data: "1" }) + start)),
          pull(controller) {
            pulled += 100;
            controller.enqueue(new Uint8Array(100).fill(120));
          },
        },
        { highWaterMark: 0 },
      );
      const reading = await read(source);
      expect(dataOf(reading)).toEqual(["1"]);
      expect(reading.error).toMatchObject({
        code: "protocol",
        message: "An event is larger than 1000 characters",
      });
      expect(pulled).toBeLessThanOrEqual(1200);
    },
  );

  it("ends an event of endlessly many lines likewise", async () => {
    const parts = Array.from({ length: 50 }, () => `data: ${"x".repeat(50)}\n`);
    expect((await read(body(parts, "stall"))).error).toMatchObject({ code: "protocol" });
  });

  it("takes a connection for dead that is silent for too long, but only while it is watched", async () => {
    vi.useFakeTimers();
    const watched = read(body([event({ data: "1" })], "stall"), { isWatched: () => true, silenceMs: 7000 });
    await vi.advanceTimersByTimeAsync(6999);
    expect(vi.getTimerCount()).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    expect((await watched).error).toMatchObject({ message: "The connection was silent for 7000 ms" });

    const settled = vi.fn();
    void read(body([event({ data: "1" })], "stall")).then(settled);
    await vi.advanceTimersByTimeAsync(86_400_000);
    expect(settled).not.toHaveBeenCalled();
  });

  it("takes every byte for life, comments and half an event included", async () => {
    vi.useFakeTimers();
    const parts = [": hi\n\n", "data: h", "alf\n\n", ": x"];
    const source = new ReadableStream<Uint8Array>({
      async pull(controller) {
        await new Promise((resolve) => setTimeout(resolve, 6000));
        const part = parts.shift();
        if (part === undefined) controller.close();
        else controller.enqueue(new TextEncoder().encode(part));
      },
    });
    const reading = read(source, { isWatched: () => true, silenceMs: 7000 });
    await vi.advanceTimersByTimeAsync(30_000);
    expect(dataOf(await reading)).toEqual(["half"]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("does not count the time for which the reader itself takes an event", async () => {
    vi.useFakeTimers();
    const onEvent = () => new Promise<void>((resolve) => void setTimeout(resolve, 60_000));
    const reading = read(body([event({ data: "1" })], "close"), {
      onEvent,
      isWatched: () => true,
      silenceMs: 7000,
    });
    await vi.advanceTimersByTimeAsync(60_000);
    expect((await reading).error).toBeUndefined();
  });

  it("rejects with the signal's reason at once, and leaves no timer and no listener", async () => {
    vi.useFakeTimers();
    const abort = new AbortController();
    const cancel = vi.fn();
    const source = new ReadableStream<Uint8Array>({ cancel });
    const reading = read(source, { isWatched: () => true }, abort.signal);
    await vi.advanceTimersByTimeAsync(10);
    abort.abort(new Error("enough"));
    expect((await reading).error).toMatchObject({ message: "enough" });
    expect(cancel).toHaveBeenCalledOnce();
    expect(getEventListeners(abort.signal, "abort")).toHaveLength(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("hands nothing over any more once the signal is aborted", async () => {
    const abort = new AbortController();
    const events: string[] = [];
    const onEvent = ({ data }: EventSourceMessage): undefined => {
      events.push(data);
      abort.abort(new Error("enough"));
    };
    const source = body([event({ data: "1" }) + event({ data: "2" })], "close");
    expect((await read(source, { onEvent }, abort.signal)).error).toMatchObject({ message: "enough" });
    expect(events).toEqual(["1"]);
  });
});
