import { EventStoreError } from "../../errors.js";
import { timeoutError } from "../../waits.js";
import { asError } from "./as-error.js";
import type { Connection } from "./connection.js";
import { Deadlines } from "./deadlines.js";
import { errorOf, failureOf, isPassing, leavesOpen } from "./failure.js";
import type { Script } from "./script.js";

/** Waits between attempts grow from the first to the last of these, in milliseconds. */
const FIRST_WAIT_MS = 20;
const LONGEST_WAIT_MS = 500;

/** A call, however many attempts it takes. */
interface Call {
  readonly script: Script;
  readonly keys: readonly string[];
  readonly args: readonly string[];
  readonly resolve: (reply: unknown) => void;
  readonly reject: (error: Error) => void;
  /** When its time is up, on the monotonic clock in milliseconds. */
  readonly endsAt: number;
  waitMs: number;
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
  readonly #calls: Deadlines<Call>;
  #check: Promise<void> | undefined;
  #isChecked = false;

  constructor(connection: Connection, timeoutMs: number) {
    this.#connection = connection;
    this.#timeoutMs = timeoutMs;
    this.#calls = new Deadlines(timeoutMs, (call) => {
      const mayHaveHappened = call.script.isWrite && call.isSent;
      call.reject(timeoutError(`Redis: ${call.script.name}`, timeoutMs, mayHaveHappened));
    });
  }

  /**
   * @returns a promise that is settled within the time limit, or a little later.
   * @throws {EventStoreError} `backend`, `timeout`
   */
  run(script: Script, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const endsAt = performance.now() + this.#timeoutMs;
      const waitMs = FIRST_WAIT_MS;
      const call: Call = {
        script,
        keys,
        args,
        resolve,
        reject,
        endsAt,
        waitMs,
        isSent: false,
        isOpen: false,
      };
      this.#calls.add(call);
      this.#attempt(call);
    });
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
    this.#calls.remove(call);
    call.resolve(reply);
  }

  #failed(call: Call, error: unknown): void {
    // Its time may be up: then nobody waits for another attempt.
    if (!this.#calls.has(call)) return;
    if (error instanceof EventStoreError) {
      this.#calls.remove(call);
      call.reject(error);
      return;
    }
    const failure = failureOf(error);
    if (failure.kind === "refused" && failure.code === "NOSCRIPT") {
      // A server that was started, or flushed, since. It learns the script from this.
      this.#send(call, "EVAL", call.script.source).then(
        (reply) => this.#succeed(call, reply),
        (reason: unknown) => this.#failed(call, reason),
      );
      return;
    }
    if (failure.kind === "disconnected") call.isOpen ||= call.isSent;
    else if (isPassing(failure)) call.isOpen ||= call.isSent && this.#connection.resends;
    const { waitMs } = call;
    if (isPassing(failure) && performance.now() + waitMs < call.endsAt && !this.#connection.isClosed()) {
      call.waitMs = Math.min(2 * waitMs, LONGEST_WAIT_MS);
      setTimeout(() => this.#again(call), waitMs * (0.5 + Math.random() / 2));
      return;
    }
    this.#calls.remove(call);
    const mayHaveHappened = call.script.isWrite && call.isOpen && leavesOpen(failure);
    call.reject(errorOf(call.script.name, failure, mayHaveHappened));
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
    if (Array.isArray(reply) && Array.isArray(reply[0])) return;
    throw new EventStoreError(
      "backend",
      "This Redis has no Streams (XADD). They came with Redis 5; Redis 7 and Valkey 8 are what the log is made for.",
    );
  }
}
