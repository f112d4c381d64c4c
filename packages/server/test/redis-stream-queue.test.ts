// Tests the order in which batches of one stream are sent again, against a server whose answers the test gives.

import { describe, expect, it } from "vitest";
import type { Position } from "../src/log/event-log.js";
import type { Connection } from "../src/logs/redis/connection.js";
import { RedisDriver } from "../src/logs/redis/redis-driver.js";
import { KEEP } from "./support/redis-fixtures.js";

const TIME = "1700000000000";

/** A script call that waits for the test's answer. */
interface ScriptCall {
  readonly writer: string;
  readonly number: string;
  /** How many events it brings. */
  readonly events: number;
  readonly answer: (answer: string) => void;
  readonly refuse: (error: Error) => void;
}

function scripted(): { readonly connection: Connection; readonly calls: ScriptCall[] } {
  const calls: ScriptCall[] = [];
  const connection: Connection = {
    isCluster: false,
    resends: false,
    mixesAnswers: false,
    keyPrefix: "",
    isClosed: () => false,
    send: (_key, [name, ...args]) => {
      if (name !== "EVALSHA") return Promise.resolve([]);
      const [, , , , mark, identity = "", , , , events] = args;
      const [writer = "", number = ""] = identity.split(" ");
      return new Promise((resolve, reject) => {
        const answer = (text: string) => resolve([mark, text]);
        calls.push({ writer, number, events: Number(events), answer, refuse: reject });
      });
    },
    wasNotSent: () => false,
    renew: () => undefined,
    openSubscriber: () => Promise.reject(new Error("Nobody subscribes.")),
    release: () => undefined,
  };
  return { connection, calls };
}

/** The state that a call leaves, with the seq that it came to. */
function stateAfter({ writer, number }: ScriptCall, head: number): string {
  return `epoch ${head} ${head} 1 0 9007199254740991 0 - - - - ${writer}:${number}:${head} ${TIME}`;
}

describe("a batch of redisLog that was turned away", () => {
  it("is not sent a second time at once when the batch behind it fails", async () => {
    const { connection, calls } = scripted();
    const driver = new RedisDriver(connection, {
      prefix: "",
      timeoutMs: 60_000,
      maxOpenStreams: 1,
      heartbeatMs: 60_000,
      maxPendingBytes: 1_000_000,
      onError: () => undefined,
    });
    const append = (count: number): Promise<PromiseSettledResult<Position>[]> =>
      Promise.allSettled(
        Array.from({ length: count }, () => driver.append("stream", { payload: "x", bytes: 1 }, KEEP)),
      );
    const call = async (index: number, events: number): Promise<ScriptCall> => {
      await expect.poll(() => calls.length).toBeGreaterThan(index);
      expect(calls[index]!.events).toBe(events);
      return calls[index]!;
    };

    const opening = append(1);
    const first = await call(0, 1);
    first.answer(stateAfter(first, 1));
    await opening;

    const halves = append(48);
    const one = await call(1, 24);
    const other = await call(2, 24);
    one.answer(TIME);
    const last = append(16);
    const behind = await call(3, 16);
    other.answer("unexpected");
    const again = await call(4, 24);
    expect(again.number).toBe(other.number);
    behind.refuse(new Error("ERR The call behind it fails."));

    expect(new Set((await last).map(({ status }) => status))).toEqual(new Set(["rejected"]));
    expect(calls).toHaveLength(5);
    again.answer(stateAfter(again, 49));
    const seqs = (await halves).map((result) => result.status === "fulfilled" && result.value.seq);
    expect(seqs).toEqual(Array.from({ length: 48 }, (_, index) => index + 2));
    await driver.close();
  });
});
