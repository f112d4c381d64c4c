import fc from "fast-check";
import { getEventListeners } from "node:events";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { repetitions } from "../../../test-support/repetitions.js";
import { ResumeError } from "../src/errors.js";
import { isRecord, type JsonRpcMessage } from "../src/json-rpc.js";
import { runScripted, type ScriptedStream } from "./support/scripted-network.js";
import { SimulatedServer, type Step, type World } from "./support/simulation.js";

const numRuns = repetitions({ full: 2000, scaled: 100 });
const HOUR = 3_600_000;

const transient = fc.record({
  kind: fc.constant("refuse" as const),
  status: fc.constantFrom(408, 409, 425, 429, 500, 502, 503, 504),
  retryAfterSeconds: fc.option(fc.nat({ max: 60 }), { nil: undefined }),
});
const refusal = fc.record({
  kind: fc.constant("refuse" as const),
  status: fc.constantFrom(302, 400, 401, 403, 404, 405, 406, 410),
  retryAfterSeconds: fc.constant(undefined),
});
const serve = (ends: readonly ("close" | "cut" | "half" | "stall" | "clear")[], longestRetryMs = 60_000) =>
  fc.record({
    kind: fc.constant("serve" as const),
    primes: fc.boolean(),
    retryMs: fc.option(fc.oneof(fc.nat({ max: 5000 }), fc.constantFrom(0, 1, longestRetryMs)), {
      nil: undefined,
      freq: 4,
    }),
    overlap: fc.nat({ max: 3 }),
    quota: fc.nat({ max: 6 }),
    end: fc.constantFrom(...ends),
    chunkSize: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.constant(10_000)),
  });
const failure = fc.record({ kind: fc.constant("fail" as const), unsent: fc.boolean() });
const silence = fc.constant({ kind: "silence" } as const);

const worldOf = (step: fc.Arbitrary<Step>, listening: boolean): fc.Arbitrary<World> =>
  fc.record({
    steps: fc.array(step, { maxLength: 15, size: "max" }),
    wakesAt: fc.array(fc.nat({ max: 120_000 }), { maxLength: 10 }),
    offline: fc.array(fc.record({ from: fc.nat({ max: 60_000 }), lastingMs: fc.nat({ max: 300_000 }) }), {
      maxLength: 2,
    }),
    pausesMs: fc.array(fc.oneof(fc.nat({ max: 3000 }), fc.constant(0)), {
      minLength: 1,
      maxLength: 25,
      size: "max",
    }),
    isInclusive: fc.boolean(),
    listening: fc.constant(listening),
  });

/** Breaks and refusals that a stream outlives. */
const weather = fc.oneof(
  { weight: 6, arbitrary: serve(["close", "cut", "half", "stall"]) },
  { weight: 2, arbitrary: transient },
  { weight: 1, arbitrary: failure },
);
/** All that, and what can end a stream. */
const anything = fc.oneof(
  { weight: 12, arbitrary: weather },
  { weight: 1, arbitrary: silence },
  { weight: 1, arbitrary: refusal },
  { weight: 1, arbitrary: serve(["clear", "cut"], 10 * HOUR) },
  { weight: 1, arbitrary: fc.constant({ kind: "page" } as const) },
);

/** A world that gets no better. Left out: it does. */
const brokenForGood = fc.option(fc.oneof(transient, failure, silence), { nil: undefined });

/** The numbers of the messages that were delivered, by execution. */
function delivered(messages: readonly JsonRpcMessage[]): ReadonlyMap<unknown, readonly unknown[]> {
  const byExecution = new Map<unknown, unknown[]>();
  for (const message of messages) {
    const carried = "result" in message ? message.result : "params" in message ? message.params : undefined;
    if (!isRecord(carried)) throw new Error("A message that nobody sent");
    byExecution.set(carried.execution, [...(byExecution.get(carried.execution) ?? []), carried.n]);
  }
  return byExecution;
}

/** Lets the clock run until the stream has ended, or until nothing could ever end it. */
async function run(stream: ScriptedStream, limitMs: number): Promise<void> {
  const end = Date.now() + limitMs;
  while (stream.ended() === undefined && Date.now() < end) {
    await vi.advanceTimersToNextTimerAsync();
    if (vi.getTimerCount() === 0) {
      await vi.advanceTimersByTimeAsync(0);
      if (stream.ended() === undefined && vi.getTimerCount() === 0) return;
    }
  }
}

/** How often a reason to try again may end a wait early, for each that was waited out. */
const EARLY_ATTEMPTS = 4;

/** Nothing is asked for sooner than the server said, and nothing is hammered. */
function expectPolite(server: SimulatedServer, messagesAt: readonly number[], isWoken: boolean): void {
  const span = isWoken ? 6 * (1 + EARLY_ATTEMPTS) + 1 : 6;
  const { connections } = server;
  let idle: number[] = [];
  for (const [n, connection] of connections.entries()) {
    const before = connections[n - 1];
    if (before?.endedAt !== undefined) {
      const { step } = before;
      const retryAfterMs = step.kind === "refuse" ? (step.retryAfterSeconds ?? 0) * 1000 : 0;
      const askedMs = Math.max(Math.min(before.retryMs ?? 0, 300_000), retryAfterMs);
      expect(connection.at - before.endedAt, `attempt ${n}`).toBeGreaterThanOrEqual(askedMs);
      const isLasting = before.endedAt - before.at >= 30_000;
      const isProgress = messagesAt.some((at) => at >= before.at && at <= connection.at);
      const isClosed = step.kind === "serve" && (step.end === "close" || step.end === "clear");
      const isPolled = isClosed && (before.retryMs ?? 0) >= 500;
      if (isLasting || isProgress || isPolled || n === 1) idle = [];
    }
    idle.push(connection.at);
    // With a jitter of one half: at once, then 0.25, 0.5, 1, 2 and 4 s later.
    const sixth = idle.at(-span);
    if (sixth !== undefined) expect(connection.at - sixth).toBeGreaterThanOrEqual(7750);
  }
}

function expectNothingLeft(stream: ScriptedStream): void {
  expect(vi.getTimerCount()).toBe(0);
  expect(stream.wakeListeners()).toBe(0);
  expect(getEventListeners(stream.abort.signal, "abort")).toHaveLength(0);
}

interface Run {
  readonly server: SimulatedServer;
  readonly stream: ScriptedStream;
  readonly messagesAt: readonly number[];
}

async function play(world: World, resendable: boolean, pingStatus: number, limitMs: number): Promise<Run> {
  vi.clearAllTimers();
  vi.setSystemTime(Date.parse("2026-03-01T12:00:00Z"));
  const startedAt = Date.now();
  const server = new SimulatedServer(world);
  const messagesAt: number[] = [];
  const messages: JsonRpcMessage[] = [];
  const isOffline = (): boolean => {
    const ms = Date.now() - startedAt;
    return world.offline.some(({ from, lastingMs }) => ms >= from && ms < from + lastingMs);
  };
  const back = world.offline.map(({ from, lastingMs }) => from + lastingMs);
  const reasons = [...world.wakesAt, ...back].map((ms) => setTimeout(() => stream.wake(), ms));
  const stream = runScripted({
    isOffline,
    listening: world.listening,
    resendable,
    reply: (n, attempt) => server.reply(n, attempt),
    ping: () => Promise.resolve(pingStatus),
    take(taken) {
      messages.push(...taken);
      if (taken.length > 0) messagesAt.push(Date.now() - startedAt);
      return taken.some((message) => "result" in message);
    },
  });
  await run(stream, limitMs);
  for (const reason of reasons) clearTimeout(reason);
  return { server, stream: { ...stream, messages }, messagesAt };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("the stream loop", () => {
  it("delivers every message of a call once and in order, through any weather that can be outlived", async () => {
    let breaks = 0;
    let repeats = 0;
    let wakes = 0;
    await fc.assert(
      // The first connection brings a cursor: without one a call that must not run twice ends with its POST.
      fc.asyncProperty(worldOf(weather, false), serve(["close", "cut", "stall"]), async (world, first) => {
        const steps = [{ ...first, primes: true }, ...world.steps];
        const { messagesAt, server, stream } = await play({ ...world, steps }, false, 200, 24 * HOUR);
        wakes += world.wakesAt.length;
        expect(stream.ended()).toBe("done");
        const numbers = Array.from({ length: server.count }, (_, n) => n + 1);
        expect(delivered(stream.messages)).toEqual(new Map([[1, numbers]]));
        expect(server.executions).toBe(1);
        expect(stream.errors.every(({ code }) => code === "protocol")).toBe(true);
        expectPolite(server, messagesAt, world.wakesAt.length + world.offline.length > 0);
        expectNothingLeft(stream);
        breaks += server.connections.length - 1;
        repeats += server.repeats;
      }),
      { numRuns },
    );
    // So that it cannot pass for want of weather.
    expect(breaks).toBeGreaterThan(3 * numRuns);
    expect(repeats).toBeGreaterThan(numRuns);
    expect(wakes).toBeGreaterThan(numRuns);
  });

  it("always settles, runs nothing twice that must run once, and loses or doubles nothing it delivers", async () => {
    const pings = fc.constantFrom(200, 400, 404, 401, 503);
    const endings = new Map<unknown, number>();
    await fc.assert(
      fc.asyncProperty(
        worldOf(anything, false),
        brokenForGood,
        fc.boolean(),
        pings,
        async (world, rest, resendable, ping) => {
          // A POST that is never answered waits for its tool: that is not for the loop to end.
          const steps = world.steps.filter(({ kind }, n) => kind !== "silence" || n > 0);
          const { messagesAt, server, stream } = await play(
            { ...world, steps, rest },
            resendable,
            ping,
            24 * HOUR,
          );
          const isHung = stream.ended() === undefined;
          if (isHung) {
            expect(server.connections.at(-1)).toMatchObject({ method: "POST", step: { kind: "silence" } });
            stream.abort.abort();
            await vi.advanceTimersByTimeAsync(0);
          }
          for (const numbers of delivered(stream.messages).values())
            expect(numbers).toEqual(numbers.map((_, n) => n + 1));
          if (!resendable) expect(server.executions).toBeLessThanOrEqual(1);
          const ended = stream.ended();
          if (ended === "done")
            expect([...delivered(stream.messages).values()].at(-1)).toHaveLength(server.count);
          else if (!isHung) {
            expect(ended).toBeInstanceOf(ResumeError);
            if (server.executions > 0) expect(ended).toMatchObject({ maybeExecuted: true });
          }
          const ending = ended instanceof ResumeError ? ended.code : ended;
          endings.set(ending, (endings.get(ending) ?? 0) + 1);
          expectPolite(server, messagesAt, world.wakesAt.length + world.offline.length > 0);
          expectNothingLeft(stream);
        },
      ),
      { numRuns },
    );
    // So that it cannot pass for want of failures.
    expect(endings.get("done")).toBeGreaterThan(numRuns / 10);
    expect([...endings.keys()]).toEqual(
      expect.arrayContaining(["interrupted", "session-lost", "unauthorized", "http", "gave-up"]),
    );
  });

  it("delivers what the standalone stream brings once and in order, and tells of a gap when some is lost", async () => {
    const step = fc.oneof({ weight: 9, arbitrary: weather }, { weight: 1, arbitrary: serve(["clear"]) });
    await fc.assert(
      fc.asyncProperty(worldOf(step, true), async (world) => {
        const { messagesAt, server, stream } = await play(world, true, 200, HOUR / 3);
        expect(stream.ended()).toBeUndefined();
        stream.abort.abort();
        await vi.advanceTimersByTimeAsync(0);
        const numbers = [...delivered(stream.messages).values()].flat();
        expect(numbers).toEqual([...numbers].sort((a, b) => Number(a) - Number(b)));
        expect(new Set(numbers).size).toBe(numbers.length);
        const lost = numbers.length > 0 && numbers.length !== server.count - Number(numbers[0]) + 1;
        if (lost) expect(stream.gaps()).toBeGreaterThan(0);
        expectPolite(server, messagesAt, world.wakesAt.length + world.offline.length > 0);
        expectNothingLeft(stream);
      }),
      { numRuns },
    );
  });
});
