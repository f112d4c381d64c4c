// Runs calls against a stock server through a fault proxy, and judges each by what arrived.
import { setTimeout as sleep } from "node:timers/promises";
import type { EventStore } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { faultProxy, type Counters, type Weather } from "@resumable-mcp/testing/fault-proxy";
import { startSdkServer, type SdkVersion } from "./sdk-servers.js";
import type { WeatherClient } from "./weather/clients.js";
import { judge, type Outcome, type Verdict } from "./weather/judge.js";
import {
  cutsBeforeCursor,
  cutsDuringReplay,
  cutsInMidStream,
  noteReplays,
  postsMaybeUnanswered,
  type Replay,
} from "./weather/cuts.js";

export interface WeatherRunOptions {
  /** The stock server at the other end. */
  readonly sdk: SdkVersion;
  readonly eventStoreFor: (sessionId: string) => EventStore;
  /** Connects a client; the weather is still calm. */
  readonly connect: (url: string) => Promise<WeatherClient>;
  readonly weather: Weather;
  readonly seed: number;
  /** How many calls run at the same time. */
  readonly calls: number;
  /** How many messages each of them brings. */
  readonly messages: number;
  /** Milliseconds between two messages. */
  readonly intervalMs: number;
  /** A call that has not ended after so many milliseconds counts as hung. */
  readonly limitMs: number;
}

export interface WeatherRun {
  readonly seed: number;
  readonly verdicts: readonly Verdict[];
  /** Connections reset while the stream of a call was on its way. */
  readonly cutsInMidStream: number;
  /** Connections reset while a replay was on its way: part of it had gone down, the rest had not. */
  readonly cutsDuringReplay: number;
  /** Connections reset before the first event of a call's answer. */
  readonly cutsBeforeCursor: number;
  /** At most so many calls broke when their answer had hardly begun. */
  readonly postsMaybeUnanswered: number;
  readonly counters: Counters;
  /** From the first call's start to the last call's end, in milliseconds. */
  readonly elapsedMs: number;
  /** For how much of that nothing got through, in milliseconds. */
  readonly refusedMs: number;
}

/** Preparing and closing take milliseconds in calm weather. */
const CALM_LIMIT_MS = 5000;

/** @throws when the promise has not settled in time, saying what was waited for. */
async function within<Value>(what: string, promise: Promise<Value>): Promise<Value> {
  const over = new AbortController();
  const late = sleep(CALM_LIMIT_MS, undefined, { signal: over.signal }).then(() => {
    throw new Error(`${what} took more than ${CALM_LIMIT_MS} ms in calm weather`);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    over.abort();
  }
}

/**
 * Runs calls together against a stock SDK server, through a fault proxy, in the given weather, and judges each by
 * what arrived.
 */
export async function runWeather(options: WeatherRunOptions): Promise<WeatherRun> {
  const { seed, messages, intervalMs } = options;
  const replays: Replay[] = [];
  const server = await startSdkServer({
    sdk: options.sdk,
    eventStoreFor: (sessionId) => noteReplays(options.eventStoreFor(sessionId), replays),
  });
  const proxy = await faultProxy({ target: server.url, seed, maxLogEntries: 100_000 });
  try {
    const client = await within("connecting", options.connect(proxy.url));
    try {
      // The first call of a process takes many times as long to be answered as the next.
      const warmUp = { key: "warm-up", messages: 1, intervalMs: 0 };
      await within(
        "the first call",
        client.count(warmUp, () => undefined),
      );
      const over = new AbortController();
      const startMs = performance.now();
      proxy.setWeather(options.weather);
      const limit = sleep(options.limitMs, undefined, { signal: over.signal }).then<Outcome>(() => ({
        kind: "hung",
      }));
      limit.catch(() => undefined);
      const calls = Array.from({ length: options.calls }, async (_, index) => {
        const key = `call-${index}`;
        const arrivals: string[] = [];
        const ended = client
          .count({ key, messages, intervalMs }, (text) => void arrivals.push(text))
          .then<Outcome, Outcome>(
            (text) => ({ kind: "result", text }),
            (error: unknown) => ({ kind: "error", error }),
          );
        const outcome = await Promise.race([ended, limit]);
        return { key, messages, intervalMs, arrivals, outcome };
      });
      const ended = await Promise.all(calls);
      over.abort();
      const endMs = performance.now();
      const { refusedMs } = proxy;
      return {
        seed,
        verdicts: ended.map((call) => judge({ ...call, executions: server.executions(call.key) })),
        cutsInMidStream: cutsInMidStream(proxy.log),
        cutsDuringReplay: cutsDuringReplay(proxy.log, replays),
        cutsBeforeCursor: cutsBeforeCursor(proxy.log),
        postsMaybeUnanswered: postsMaybeUnanswered(proxy.log),
        counters: proxy.counters,
        elapsedMs: endMs - startMs,
        refusedMs,
      };
    } finally {
      proxy.setWeather([]);
      await within("closing the client", client.close());
    }
  } finally {
    await within("closing the proxy", proxy.close());
    await within("closing the server", server.close());
  }
}
