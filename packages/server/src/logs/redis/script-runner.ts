// Runs Lua scripts on the Redis server, by their SHA-1 once it knows them, and tries again while the time of a call
// lasts.

import { asError, EventStoreError, timeoutError } from "../../log/errors.js";
import { randomId } from "../../log/text.js";
import { Deadlines } from "../../log/waits.js";
import type { Connection } from "./connection.js";
import { errorOf, failureOf, isPassing, leavesOpen } from "./failure.js";
import type { Script } from "./scripts.js";

/** Waits between attempts grow from the first to the last of these, in milliseconds. */
const FIRST_WAIT_MS = 20;
const LONGEST_WAIT_MS = 500;

/** A call, however many attempts it takes. */
interface Call {
  readonly script: Script;
  readonly keys: readonly string[];
  /** The first one is the mark. */
  readonly args: readonly [string, ...string[]];
  readonly resolve: (reply: readonly unknown[]) => void;
  readonly reject: (error: Error) => void;
  /** When its time is up, on the monotonic clock in milliseconds. */
  readonly endsAt: number;
  waitMs: number;
  /** Whether it was handed to the client, ever. */
  isSent: boolean;
  /** The code of the refusal that the last attempt met, if it did. */
  refusal: string | undefined;
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
  readonly #calls: Deadlines<Call>;
  /** Each call is marked, and its answer too: some clients mix them up. */
  readonly #markPrefix = randomId().slice(0, 8);
  #marks = 0;
  #check: Promise<void> | undefined;
  #isChecked = false;

  constructor(connection: Connection, timeoutMs: number) {
    this.#connection = connection;
    this.#timeoutMs = timeoutMs;
    this.#calls = new Deadlines({
      limitMs: timeoutMs,
      onExpired: (call) => {
        const mayHaveHappened = call.script.isWrite && call.isSent;
        call.reject(timeoutError(`Redis: ${call.script.name}`, timeoutMs, mayHaveHappened));
      },
      onWaiting: (call) => this.#nudge(call),
    });
  }

  /**
   * @returns a promise that is settled within the time limit, or a little later.
   * @throws {EventStoreError} `backend`, `timeout`
   */
  run(script: Script, keys: readonly string[], args: readonly string[]): Promise<readonly unknown[]> {
    return new Promise((resolve, reject) => {
      this.#marks += 1;
      const call: Call = {
        script,
        keys,
        args: [this.#markPrefix + String(this.#marks), ...args],
        resolve,
        reject,
        endsAt: performance.now() + this.#timeoutMs,
        waitMs: FIRST_WAIT_MS,
        isSent: false,
        refusal: undefined,
        isOpen: false,
      };
      this.#calls.add(call);
      this.#attempt(call);
    });
  }

  /** Resolves when every call is done. None hangs, since each has a limit. */
  settled(): Promise<void> {
    return this.#calls.allRemoved();
  }

  #attempt(call: Call): void {
    const { sha } = call.script;
    if (!this.#isChecked || sha === undefined) {
      this.#prepare(call.script).then(
        () => this.#attempt(call),
        (error: unknown) => this.#failed(call, error),
      );
      return;
    }
    this.#send(call, "EVALSHA", sha).then(
      (reply) => this.#succeed(call, reply),
      (error: unknown) => this.#failed(call, error),
    );
  }

  #send(call: Call, command: string, script: string): Promise<unknown> {
    const { keys, args } = call;
    // Clients may throw in place of rejecting, and a closed one sends nothing.
    try {
      const sent = this.#connection.send(keys[0], [command, script, String(keys.length), ...keys, ...args]);
      call.isSent ||= !this.#connection.isClosed();
      return sent;
    } catch (error) {
      return Promise.reject(asError(error));
    }
  }

  #succeed(call: Call, reply: unknown): void {
    if (!Array.isArray(reply) || reply[0] !== call.args[0]) {
      this.#connection.renew(call.keys[0]);
      this.#failed(call, new Error("The client gave the answer to another call."));
      return;
    }
    this.#calls.remove(call);
    call.resolve(reply);
  }

  #failed(call: Call, error: unknown): void {
    // Its time may be up: then nobody waits for another attempt.
    if (!this.#calls.has(call)) return;
    if (error instanceof EventStoreError) {
      this.#reject(call, error);
      return;
    }
    const failure = failureOf(error);
    if (failure.kind === "disconnected") {
      if (this.#connection.wasNotSent(error)) call.isSent = call.isOpen;
      call.isOpen ||= call.isSent;
    } else if (failure.code === "NOSCRIPT") {
      this.#teach(call);
      return;
    } else if (isPassing(failure)) {
      call.isOpen ||= call.isSent && this.#connection.resends;
    } else if (this.#connection.mixesAnswers && call.refusal !== failure.code) {
      // An error bears no mark. When the call comes to the same again, it is its own.
      call.refusal = failure.code;
      this.#attempt(call);
      return;
    }
    const isTimeLeft = performance.now() + call.waitMs < call.endsAt;
    if (isPassing(failure) && isTimeLeft && !this.#connection.isClosed()) {
      setTimeout(() => this.#again(call), call.waitMs * (0.5 + Math.random() / 2));
      call.waitMs = Math.min(2 * call.waitMs, LONGEST_WAIT_MS);
      return;
    }
    const mayHaveHappened = call.script.isWrite && call.isOpen && leavesOpen(failure);
    this.#reject(call, errorOf(call.script.name, failure, mayHaveHappened));
  }

  /** A server that was started, or flushed, since. It learns the script from this. */
  #teach(call: Call): void {
    this.#send(call, "EVAL", call.script.source).then(
      (reply) => this.#succeed(call, reply),
      (error: unknown) => this.#failed(call, error),
    );
  }

  #reject(call: Call, error: EventStoreError): void {
    this.#calls.remove(call);
    call.reject(error);
  }

  /** Where answers are late by one call, the next one brings them, and shows it. */
  #nudge(call: Call): void {
    if (!this.#connection.mixesAnswers) return;
    this.#connection.send(call.keys[0], ["PING"]).catch(() => undefined);
  }

  #again(call: Call): void {
    if (this.#calls.has(call)) this.#attempt(call);
  }

  async #prepare(script: Script): Promise<void> {
    await script.hash();
    this.#check ??= this.#checkStreams();
    try {
      await this.#check;
      this.#isChecked = true;
    } finally {
      this.#check = undefined;
    }
  }

  /** Without Streams, the server would not fail before the first event, and then in the middle. */
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
    if (!Array.isArray(reply) || reply.length !== 1 || reply[0] !== null) return;
    throw new EventStoreError(
      "backend",
      "This Redis has no Streams (XADD). They came with Redis 5; Redis 7 and Valkey 8 are what the log is made for.",
    );
  }
}
