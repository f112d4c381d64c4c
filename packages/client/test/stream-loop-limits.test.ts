import { getEventListeners } from "node:events";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { JsonRpcMessage } from "../src/json-rpc.js";
import { StreamCursor } from "../src/stream/cursor.js";
import { event, note, sse, status } from "./support/msw-server.js";
import {
  type Reply,
  RESPONSE,
  runScripted,
  type ScriptedStream,
  type ScriptedStreamOptions,
} from "./support/scripted-network.js";

const MINUTE = 60_000;
const answer = (): Response => sse([event({ id: "end", data: RESPONSE })]);
const down = (): Error => new TypeError("fetch failed", { cause: { code: "ECONNRESET" } });
const unsent = (): Error => new TypeError("fetch failed", { cause: { code: "ECONNREFUSED" } });
const resumed = (options: ScriptedStreamOptions): ScriptedStream =>
  runScripted({ cursor: new StreamCursor("0"), ...options });
const inTurn =
  (...replies: readonly (() => Reply)[]) =>
  (n: number): Reply =>
    replies[Math.min(n, replies.length - 1)]?.() ?? down();

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("the budget", () => {
  it("ends a stream without any connection after 30 minutes, and says why", async () => {
    const stream = resumed({ reply: down });
    await vi.advanceTimersByTimeAsync(30 * MINUTE - 1);
    expect(stream.ended()).toBeUndefined();
    await vi.advanceTimersByTimeAsync(1);
    expect(stream.ended()).toMatchObject({
      code: "gave-up",
      maybeExecuted: true,
      cause: { message: "fetch failed" },
      message: expect.stringContaining("https://mcp.example/mcp") as string,
    });
    expect(vi.getTimerCount()).toBe(0);
  });

  it("can be set", async () => {
    const stream = resumed({ reply: down, maxElapsedMs: 5000 });
    await vi.advanceTimersByTimeAsync(5000);
    expect(stream.ended()).toMatchObject({ code: "gave-up" });
  });

  it.each([
    ["a request that never reached the server", unsent, false, false],
    ["a request that was answered 429", () => status(429), false, false],
    ["a read that may have reached the server", down, true, true],
    ["a read that was answered 503", () => status(503), true, true],
  ])("tells of %s whether it may have been executed", async (_name, reply, resendable, maybeExecuted) => {
    const stream = runScripted({ reply, resendable, maxElapsedMs: MINUTE });
    await vi.advanceTimersByTimeAsync(MINUTE);
    expect(stream.ended()).toMatchObject({ code: "gave-up", maybeExecuted });
  });

  it("counts what a resume waited for an answer that never came", async () => {
    const stream = resumed({ reply: () => "silence", random: () => 0 });
    // The fake clock adds 1 ms to a timer of 0 ms that was set by another timer.
    await vi.advanceTimersByTimeAsync(30 * MINUTE + 100);
    expect(stream.ended()).toMatchObject({
      code: "gave-up",
      cause: { message: "No answer within 30000 ms" },
    });
    expect(stream.attempts).toHaveLength(60);
  });

  it("counts what a request waited for a token that never came: it was not sent", async () => {
    const token = () => new Promise<string>(() => undefined);
    const stream = runScripted({ reply: down, authProvider: { token }, random: () => 0 });
    await vi.advanceTimersByTimeAsync(30 * MINUTE + 100);
    expect(stream.ended()).toMatchObject({ code: "gave-up", maybeExecuted: false });
    expect(stream.attempts).toHaveLength(0);
  });

  it("is not stretched by a clock that is set back", async () => {
    const reply = (n: number): Reply => {
      if (n === 3) vi.setSystemTime(Date.now() - 60 * MINUTE);
      return "silence";
    };
    const stream = resumed({ reply, random: () => 0, maxElapsedMs: 5 * MINUTE });
    await vi.advanceTimersByTimeAsync(6 * MINUTE);
    expect(stream.ended()).toMatchObject({ code: "gave-up" });
  });

  it("starts over with each new message", async () => {
    let n = 0;
    // 4 minutes of 503 between any two messages.
    const reply = (): Reply =>
      ++n % 9 === 0 ? sse([event({ id: `m${n}`, data: note(n) })]) : status(503, { "Retry-After": "30" });
    const stream = resumed({ reply, maxElapsedMs: 5 * MINUTE });
    await vi.advanceTimersByTimeAsync(120 * MINUTE);
    expect(stream.ended()).toBeUndefined();
    expect(stream.messages.length).toBeGreaterThan(20);
    stream.abort.abort();
  });

  it("does not count the time in which a connection was live", async () => {
    const short = (): Response =>
      new Response(
        new ReadableStream({ start: (controller) => void setTimeout(() => controller.close(), 20_000) }),
        {
          headers: { "Content-Type": "text/event-stream" },
        },
      );
    const stream = resumed({ reply: short, random: () => 0.1, maxElapsedMs: 5 * MINUTE });
    await vi.advanceTimersByTimeAsync(20 * MINUTE);
    expect(stream.ended()).toBeUndefined();
    stream.abort.abort();
  });

  it("does not count the hours that the device slept", async () => {
    const stream = resumed({ reply: inTurn(down, down, down, answer) });
    await vi.advanceTimersByTimeAsync(100);
    vi.setSystemTime(Date.now() + 8 * 60 * MINUTE);
    await vi.runAllTimersAsync();
    expect(await stream.ending).toBe("done");
  });
});

it("a stream whose device slept is resumed five seconds after it woke up, not after a silence of its own", async () => {
  const quiet = (): Response =>
    new Response(new ReadableStream(), { headers: { "Content-Type": "text/event-stream" } });
  const stream = resumed({ reply: inTurn(quiet, answer) });
  await vi.advanceTimersByTimeAsync(1000);
  vi.setSystemTime(Date.now() + 60 * MINUTE);
  await vi.advanceTimersByTimeAsync(5000);
  expect([stream.attempts.length, await stream.ending]).toEqual([2, "done"]);
});

describe("while the device is offline", () => {
  const offline = (options: ScriptedStreamOptions) => {
    let isOffline = true;
    const stream = runScripted({ isOffline: () => isOffline, ...options });
    const online = (): void => {
      isOffline = false;
      stream.wake();
    };
    return { stream, online };
  };

  it("nothing is sent, and the status says why; coming online sends it at once", async () => {
    const { stream, online } = offline({ reply: answer, cursor: new StreamCursor("0") });
    await vi.advanceTimersByTimeAsync(20_000);
    expect([stream.attempts, stream.statuses]).toEqual([[], [{ state: "offline" }]]);
    online();
    await stream.ending;
    expect(stream.times()).toEqual([20_000]);
    expect(stream.wakeListeners()).toBe(0);
  });

  it("a resume is tried each 30 s all the same: it may be a mistake", async () => {
    const { stream } = offline({ reply: inTurn(down, down, answer), cursor: new StreamCursor("0") });
    await vi.runAllTimersAsync();
    expect(await stream.ending).toBe("done");
    expect(stream.times()).toEqual([30_000, 60_000, 90_250]);
  });

  it("a ping goes ahead of a request that must not run twice", async () => {
    const ping = vi.fn(() => Promise.resolve(503));
    const { stream } = offline({ reply: answer, ping });
    await vi.advanceTimersByTimeAsync(10 * MINUTE);
    expect([ping.mock.calls.length, stream.attempts]).toEqual([20, []]);
    ping.mockResolvedValue(200);
    await vi.advanceTimersByTimeAsync(30_000);
    expect(await stream.ending).toBe("done");
    expect(stream.attempts).toMatchObject([{ method: "POST" }]);
  });

  it.each([
    ["a request that waits", undefined, answer],
    ["a resume that is tried", "0", down],
    ["a resume that is never answered", "0", (): Reply => "silence"],
  ])("no budget is used up, be it for hours: %s", async (_name, cursor, reply) => {
    let isUp = false;
    const { stream, online } = offline({
      reply: () => (isUp ? answer() : reply()),
      ping: () => Promise.resolve(503),
      cursor: new StreamCursor(cursor),
    });
    await vi.advanceTimersByTimeAsync(6 * 60 * MINUTE);
    expect(stream.ended()).toBeUndefined();
    isUp = true;
    online();
    await vi.advanceTimersByTimeAsync(30_000);
    expect(await stream.ending).toBe("done");
  });
});

describe("a wake-up", () => {
  it("ends a wait that the server did not ask for", async () => {
    const stream = resumed({ reply: inTurn(...Array.from({ length: 8 }, () => down), answer) });
    await vi.advanceTimersByTimeAsync(20_000);
    const before = stream.attempts.length;
    stream.wake();
    await vi.advanceTimersByTimeAsync(0);
    expect(stream.times().slice(before)).toEqual([20_000]);
    expect(await stream.ending).toBe("done");
  });

  it("ends a wait once what the server asked for is over, and not before", async () => {
    const asking = (): Reply => sse([event({ id: "1", retry: 1000, data: note(1) })], "cut");
    const stream = resumed({ reply: inTurn(asking, down, down, down, down, down, down, down, answer) });
    // Six fail after 1, 1, 1, 1, 2 and 4 s; the next wait is one of 8 s.
    await vi.advanceTimersByTimeAsync(10_500);
    const { length } = stream.attempts;
    stream.wake();
    await vi.advanceTimersByTimeAsync(400);
    expect(stream.attempts).toHaveLength(length);
    await vi.advanceTimersByTimeAsync(1000);
    stream.wake();
    await vi.advanceTimersByTimeAsync(0);
    expect(stream.attempts).toHaveLength(length + 1);
    stream.abort.abort();
  });

  it("does not lengthen the waits that follow: what failed then says nothing of the network's state later", async () => {
    const stream = resumed({ reply: down });
    await vi.advanceTimersByTimeAsync(1);
    for (let n = 0; n < 4; n += 1) {
      stream.wake();
      await vi.advanceTimersByTimeAsync(0);
    }
    const { length } = stream.attempts;
    expect(length).toBe(6);
    await vi.advanceTimersByTimeAsync(250);
    expect(stream.attempts).toHaveLength(length + 1);
    stream.abort.abort();
  });

  it("that comes again and again without avail is heeded no more than four times for each wait waited out", async () => {
    const stream = resumed({ reply: down });
    const limitMs = 5 * MINUTE;
    for (let ms = 0; ms < limitMs; ms += 100) {
      stream.wake();
      await vi.advanceTimersByTimeAsync(100);
    }
    const woken = stream.attempts.length;
    stream.abort.abort();
    const left = resumed({ reply: down });
    await vi.advanceTimersByTimeAsync(limitMs);
    expect(woken).toBeGreaterThan(left.attempts.length);
    expect(woken).toBeLessThanOrEqual(5 * left.attempts.length);
    left.abort.abort();
  });
});

describe("an abort", () => {
  const reason = new Error("enough");
  const retrying = sse([event({ id: "1", retry: 60_000, data: note(1) })]);
  const waits: readonly (readonly [string, ScriptedStreamOptions])[] = [
    ["for an answer to a request", { reply: () => "silence" }],
    ["for an answer to a resume", { reply: () => "silence", cursor: new StreamCursor("0") }],
    ["for the next event", { reply: () => sse([event({ id: "1", data: note(1) })], "stall") }],
    ["for an event of a stream without a cursor", { reply: () => sse([], "stall") }],
    ["for the next attempt", { reply: () => status(503, { "Retry-After": "60" }), resendable: true }],
    ["as long as `retry:` says", { reply: () => retrying }],
    ["for the network", { reply: answer, isOffline: () => true }],
    [
      "for a ping",
      {
        reply: () => status(400),
        ping: (_session, signal) =>
          new Promise((_, reject) =>
            signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true }),
          ),
      },
    ],
  ];

  it.each(waits)("ends the wait %s at once, and leaves no timer and no listener", async (_name, options) => {
    const stream = runScripted(options);
    await vi.advanceTimersByTimeAsync(1000);
    expect(stream.ended()).toBeUndefined();
    stream.abort.abort(reason);
    await vi.advanceTimersByTimeAsync(0);
    expect(stream.ended()).toBe(reason);
    expect(vi.getTimerCount()).toBe(0);
    expect(stream.wakeListeners()).toBe(0);
    expect(getEventListeners(stream.abort.signal, "abort")).toHaveLength(0);
    expect(stream.statuses.at(-1)).toBeUndefined();
  });

  it("before the start sends nothing", async () => {
    const stream = runScripted({ reply: answer });
    stream.abort.abort(reason);
    expect(await stream.ending).toBe(reason);
  });

  it("hands over nothing more of what was read already", async () => {
    const messages: JsonRpcMessage[] = [];
    const take = (taken: readonly JsonRpcMessage[]): boolean => {
      messages.push(...taken);
      if (messages.length === 2) stream.abort.abort(reason);
      return false;
    };
    const text = [1, 2, 3, 4].map((n) => event({ id: `${n}`, data: note(n) })).join("");
    const stream = runScripted({ take, reply: () => sse([text]) });
    expect(await stream.ending).toBe(reason);
    expect(messages).toEqual([note(1), note(2)]);
  });
});
