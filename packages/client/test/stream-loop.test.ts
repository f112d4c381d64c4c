import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { StreamCursor } from "../src/stream/cursor.js";
import { event, note, sse, status } from "./support/msw-server.js";
import { type Reply, RESPONSE, runScripted, type ScriptedStreamOptions } from "./support/scripted-network.js";

const MINUTE = 60_000;
const answer = (): Response => sse([event({ id: "end", data: RESPONSE })]);
const down = (): Error => new TypeError("fetch failed", { cause: { code: "ECONNRESET" } });

/** The stream of a call that had one event before, and is resumed from there. */
const resumed = (options: ScriptedStreamOptions) =>
  runScripted({ cursor: new StreamCursor("0"), ...options });

/** A message under a new id, on a connection that the server then closes. */
const oneMore = (n: number): Response => sse([event({ id: `m${n}`, data: note(n) })]);

/** Replies in turn; the last one again and again. */
const inTurn =
  (...replies: readonly ((n: number) => Reply)[]) =>
  (n: number): Reply =>
    replies[Math.min(n, replies.length - 1)]?.(n) ?? down();

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("the pace of attempts", () => {
  it("is at once for the first retry after progress, and a random share of a doubling delay after that", async () => {
    const stream = resumed({ reply: inTurn(...Array.from({ length: 9 }, () => down), answer) });
    await vi.runAllTimersAsync();
    expect(await stream.ending).toBe("done");
    expect(stream.times()).toEqual([0, 0, 250, 750, 1750, 3750, 7750, 15_750, 30_750, 45_750]);
  });

  it.each([
    [0, 0],
    [0.999_999, 500 + 1000 + 2000 + 4000 + 8000 + 16_000 + 30_000],
  ])("has its jitter bounded: with %d, eight failures cost %i ms", async (random, lastAt) => {
    const stream = resumed({
      random: () => random,
      reply: inTurn(...Array.from({ length: 8 }, () => down), answer),
    });
    await vi.runAllTimersAsync();
    expect(stream.times().at(-1)).toBe(lastAt);
  });

  it("differs between streams that broke at the same time", async () => {
    const streams = Array.from({ length: 20 }, () =>
      resumed({ random: Math.random, reply: inTurn(down, down, down, answer) }),
    );
    await vi.runAllTimersAsync();
    expect(new Set(streams.map(({ times }) => times().at(-1))).size).toBeGreaterThan(10);
  });

  it("starts over after progress", async () => {
    const stream = resumed({ reply: inTurn(down, down, down, oneMore, down, answer) });
    await vi.runAllTimersAsync();
    expect(stream.times()).toEqual([0, 0, 250, 750, 750, 1000]);
  });

  it.each([
    ["accepts and closes", () => sse([])],
    ["accepts and breaks", () => sse([], "cut")],
    ["sends the same event again and again", () => sse([event({ id: "same", data: note(1) })])],
    ["primes and closes", (n: number) => sse([event({ id: `p${n}`, data: "" })])],
    ["sends comments and closes", () => sse([": hi\n\n"])],
  ])(
    "is not that of a hammer where a server %s: that is no progress",
    async (_name, reply: (n: number) => Response) => {
      const stream = resumed({ cursor: new StreamCursor("same"), reply });
      await vi.advanceTimersByTimeAsync(10 * MINUTE);
      const perMinute = Array.from(
        { length: 10 },
        (_, n) => stream.times().filter((at) => at >= n * MINUTE && at < (n + 1) * MINUTE).length,
      );
      expect(perMinute[0]).toBeLessThanOrEqual(11);
      expect(Math.max(...perMinute.slice(1))).toBeLessThanOrEqual(5);
      stream.abort.abort();
    },
  );

  it("takes a connection that lasted for progress, though nothing came over it", async () => {
    const lasting = (): Response =>
      new Response(
        new ReadableStream({ start: (controller) => void setTimeout(() => controller.close(), 30_000) }),
        { headers: { "Content-Type": "text/event-stream" } },
      );
    const stream = resumed({ reply: inTurn(lasting, lasting, lasting, answer) });
    await vi.runAllTimersAsync();
    expect(stream.times()).toEqual([0, 30_000, 60_000, 90_000]);
  });
});

describe("`retry:`", () => {
  const asks = (retry: number | string, n = 0): Response =>
    sse([event({ id: `r${n}`, retry, data: note(n) })]);

  it.each([1, 250, 1500, 300_000])("of %i ms is waited exactly", async (retry) => {
    const stream = resumed({ reply: inTurn(() => asks(retry), answer) });
    await vi.advanceTimersByTimeAsync(retry - 1);
    expect(stream.attempts).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(stream.times()).toEqual([0, retry]);
    expect(await stream.ending).toBe("done");
  });

  it("counts for all later resumes of its stream", async () => {
    const stream = resumed({ reply: inTurn(() => asks(1000), oneMore, oneMore, answer) });
    await vi.runAllTimersAsync();
    expect(stream.times()).toEqual([0, 1000, 2000, 3000]);
  });

  it("counts when it stands alone, or in a comment's company", async () => {
    const stream = resumed({ reply: inTurn(() => sse([": hi\nretry: 1000\n\n"]), answer) });
    await vi.runAllTimersAsync();
    expect(stream.times()).toEqual([0, 1000]);
  });

  it("is the pace at which a server that closes its streams is polled, for as long as it likes", async () => {
    const stream = resumed({
      reply: inTurn(() => asks(2000), ...Array.from({ length: 50 }, () => () => sse([])), answer),
    });
    await vi.runAllTimersAsync();
    expect(stream.times()).toEqual(Array.from({ length: 52 }, (_, n) => n * 2000));
  });

  it("keeps a server from being given up that closes its streams to be polled, however long nothing comes", async () => {
    const stream = resumed({
      reply: inTurn(
        () => asks(MINUTE),
        () => sse([]),
      ),
    });
    await vi.advanceTimersByTimeAsync(300 * MINUTE);
    expect([stream.ended(), stream.attempts.length]).toEqual([undefined, 301]);
    stream.abort.abort();
  });

  it("of 0 is no licence to hammer", async () => {
    const stream = resumed({
      reply: inTurn(
        () => asks(0),
        () => sse([]),
      ),
    });
    await vi.advanceTimersByTimeAsync(10 * MINUTE);
    expect(stream.attempts.length).toBeLessThan(60);
    stream.abort.abort();
  });

  it.each(["31536000000", "9".repeat(400)])(
    "of %s ms is capped at five minutes, and reported once",
    async (retry) => {
      const stream = resumed({
        reply: inTurn(
          () => asks(retry),
          () => asks(retry, 1),
          answer,
        ),
      });
      await vi.runAllTimersAsync();
      expect(stream.times()).toEqual([0, 300_000, 600_000]);
      expect(stream.errors).toMatchObject([{ code: "protocol" }]);
    },
  );

  it("is not undercut by a wake-up", async () => {
    const stream = resumed({ reply: inTurn(() => asks(10_000), answer) });
    await vi.advanceTimersByTimeAsync(5000);
    stream.wake();
    await vi.advanceTimersByTimeAsync(4999);
    expect(stream.attempts).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(stream.attempts).toHaveLength(2);
  });
});

describe("`Retry-After`", () => {
  it.each([
    ["in seconds", () => "7"],
    ["as a date", () => new Date(Date.now() + 7000).toUTCString()],
  ])("%s is waited, and no wake-up undercuts it", async (_name, value) => {
    vi.setSystemTime(Date.parse("2026-03-01T12:00:00Z"));
    const stream = resumed({ reply: inTurn(() => status(503, { "Retry-After": value() }), answer) });
    await vi.advanceTimersByTimeAsync(100);
    stream.wake();
    await vi.runAllTimersAsync();
    expect(stream.times()).toEqual([0, 7000]);
  });

  it("is waited by a request that was answered 429", async () => {
    const stream = runScripted({ reply: inTurn(() => status(429, { "Retry-After": "7" }), answer) });
    await vi.runAllTimersAsync();
    expect(stream.attempts).toMatchObject([
      { at: 0, method: "POST" },
      { at: 7000, method: "POST" },
    ]);
  });

  it("counts once, for the attempt after it", async () => {
    const stream = resumed({ reply: inTurn(() => status(503, { "Retry-After": "7" }), down, answer) });
    await vi.runAllTimersAsync();
    expect(stream.times()).toEqual([0, 7000, 7250]);
  });

  it.each(["31536000", "9".repeat(400)])(
    "of %s seconds ends with the budget, without another request",
    async (value) => {
      const stream = resumed({ reply: () => status(503, { "Retry-After": value }) });
      await vi.advanceTimersByTimeAsync(30 * MINUTE - 1);
      expect(stream.ended()).toBeUndefined();
      await vi.advanceTimersByTimeAsync(1);
      expect(stream.ended()).toMatchObject({ code: "gave-up", status: 503 });
      expect(stream.attempts).toHaveLength(1);
    },
  );
});

describe("a connection that falls silent", () => {
  const quiet = (): Response => sse([event({ id: "1", data: note(1) })], "stall");

  it("is replaced after 45 s, from its cursor", async () => {
    const stream = resumed({ reply: inTurn(quiet, answer) });
    await vi.runAllTimersAsync();
    expect(stream.attempts).toMatchObject([
      { at: 0, lastEventId: "0" },
      { at: 45_000, lastEventId: "1" },
    ]);
    expect(await stream.ending).toBe("done");
  });

  /** Two keep-alives, ten seconds from each other, and then nothing more. */
  const beating = (): Response => {
    let beats = 0;
    const pull = async (controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> => {
      if (beats === 2) return new Promise(() => undefined);
      if (beats > 0) await new Promise((resolve) => setTimeout(resolve, 10_000));
      beats += 1;
      controller.enqueue(new TextEncoder().encode(": keep-alive\n\n"));
    };
    return new Response(new ReadableStream({ pull }, { highWaterMark: 0 }), {
      headers: { "Content-Type": "text/event-stream" },
    });
  };

  it.each([
    ["a call that must not run twice, which could not be resumed", { reply: beating }],
    [
      "a standalone stream whose server sends no keep-alives",
      { reply: () => sse([], "stall"), listening: true },
    ],
    ["a read whose server sends no keep-alives", { reply: () => sse([], "stall"), resendable: true }],
  ])("is left alone where it has no cursor, as %s", async (_name, options) => {
    const stream = runScripted(options);
    await vi.advanceTimersByTimeAsync(86_400_000);
    expect([stream.attempts.length, stream.gaps()]).toEqual([1, 0]);
    stream.abort.abort();
  });

  it.each([
    ["standalone stream", { listening: true }, "GET", 1],
    ["read", { resendable: true }, "POST", 0],
  ])(
    "is replaced when its keep-alives stay out, though it has no cursor: a %s",
    async (_name, options, method, gaps) => {
      const stream = runScripted({ ...options, reply: inTurn(beating, () => sse([], "stall")) });
      await vi.advanceTimersByTimeAsync(60_000);
      expect(stream.attempts).toMatchObject([{ method }, { method, at: 40_000 }]);
      expect(stream.gaps()).toBe(gaps);
      stream.abort.abort();
    },
  );

  it("is never given up as long as resuming it succeeds", async () => {
    const stream = resumed({ reply: () => sse([], "stall") });
    await vi.advanceTimersByTimeAsync(86_400_000);
    expect(stream.ended()).toBeUndefined();
    expect(stream.attempts.length).toBeLessThanOrEqual(86_400 / 45 + 1);
    stream.abort.abort();
  });
});

describe("what is told", () => {
  it("is each status in its turn, and that the stream is over", async () => {
    const stream = resumed({ reply: inTurn(oneMore, down, answer) });
    const start = Date.now();
    await vi.runAllTimersAsync();
    expect(stream.statuses).toEqual([
      { state: "live" },
      { state: "waiting", attempt: 1, retryAt: start },
      { state: "waiting", attempt: 2, retryAt: start + 250 },
      { state: "live" },
      undefined,
    ]);
  });

  it("is how many attempts a resume took, and for how long the stream was down", async () => {
    const stream = resumed({ reply: inTurn(oneMore, down, down, answer) });
    await vi.runAllTimersAsync();
    expect(stream.resumed).toEqual([{ attempts: 3, downMs: 750 }]);
  });
});
