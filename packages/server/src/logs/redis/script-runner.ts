import { EventStoreError } from "../../errors.js";
import { timeoutError, within } from "../../waits.js";
import type { Connection } from "./connection.js";
import { errorOf, failureOf, isPassing, leavesOpen } from "./failure.js";
import type { Script } from "./script.js";

/** Waits between attempts grow from the first to the last of these, in milliseconds. */
const FIRST_WAIT_MS = 20;
const LONGEST_WAIT_MS = 500;

interface Call {
  readonly script: Script;
  readonly keys: readonly string[];
  readonly args: readonly string[];
  /** When its time is up, on the monotonic clock in milliseconds. */
  readonly endsAt: number;
  /** Whether it was handed to the client, ever. */
  isSent: boolean;
  /** Whether an attempt may have taken effect though its answer was lost. */
  isOpen: boolean;
}

/**
 * Runs scripts, each with one call. When the connection breaks, or the server cannot answer just now, it tries again,
 * until the time is up: the scripts are made so that a second run does no harm.
 */
export class ScriptRunner {
  readonly #connection: Connection;
  readonly #timeoutMs: number;
  #check: Promise<void> | undefined;
  #isChecked = false;

  constructor(connection: Connection, timeoutMs: number) {
    this.#connection = connection;
    this.#timeoutMs = timeoutMs;
  }

  /** @throws {EventStoreError} `backend`, `timeout` */
  run(script: Script, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    const endsAt = performance.now() + this.#timeoutMs;
    const call: Call = { script, keys, args, endsAt, isSent: false, isOpen: false };
    return within(this.#persist(call), this.#timeoutMs, () =>
      timeoutError(`Redis: ${script.name}`, this.#timeoutMs, script.isWrite && call.isSent),
    );
  }

  async #persist(call: Call): Promise<unknown> {
    for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(2 * waitMs, LONGEST_WAIT_MS)) {
      try {
        return await this.#attempt(call);
      } catch (error) {
        if (error instanceof EventStoreError) throw error;
        const failure = failureOf(error);
        if (failure.kind === "disconnected") call.isOpen ||= call.isSent;
        else if (isPassing(failure)) call.isOpen ||= call.isSent && this.#connection.resends;
        const isTimeLeft = performance.now() + waitMs < call.endsAt;
        if (!isPassing(failure) || !isTimeLeft || this.#connection.isClosed()) {
          const mayHaveHappened = call.script.isWrite && call.isOpen && leavesOpen(failure);
          throw errorOf(call.script.name, failure, mayHaveHappened);
        }
      }
      await sleep(waitMs * (0.5 + Math.random() / 2));
    }
  }

  async #attempt(call: Call): Promise<unknown> {
    if (!this.#isChecked) await this.#checkOnce();
    const { script, keys, args } = call;
    const sha = script.sha ?? (await script.hash());
    try {
      return await this.#send(call, ["EVALSHA", sha, String(keys.length), ...keys, ...args]);
    } catch (error) {
      const failure = failureOf(error);
      const isUnknown = failure.kind === "refused" && failure.code === "NOSCRIPT";
      if (!isUnknown || performance.now() >= call.endsAt) throw error;
      // A server that was started, or flushed, since. It learns the script from this.
      return this.#send(call, ["EVAL", script.source, String(keys.length), ...keys, ...args]);
    }
  }

  #send(call: Call, command: readonly string[]): Promise<unknown> {
    call.isSent ||= !this.#connection.isClosed();
    return this.#connection.send(call.keys[0], command);
  }

  /** Looks once whether the server has Streams: without them it would fail in the middle, or not before the first event. */
  async #checkOnce(): Promise<void> {
    this.#check ??= this.#checkStreams();
    try {
      await this.#check;
      this.#isChecked = true;
    } finally {
      this.#check = undefined;
    }
  }

  async #checkStreams(): Promise<void> {
    let reply: unknown;
    try {
      reply = await this.#connection.send(undefined, ["COMMAND", "INFO", "XADD"]);
    } catch (error) {
      const failure = failureOf(error);
      // Not everybody may ask. Then the first script shows it.
      if (failure.kind === "refused" && !isPassing(failure)) return;
      throw error;
    }
    if (Array.isArray(reply) && Array.isArray(reply[0])) return;
    throw new EventStoreError(
      "backend",
      "This Redis has no Streams (XADD). They came with Redis 5; Redis 7 and Valkey 8 are what the log is made for.",
    );
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
