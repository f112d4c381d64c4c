import { EventStoreError } from "../../log/errors.js";
import type { EventLog, LogPage, Position, Retention } from "../../log/event-log.js";
import { type CheckedEvent, checkedLog, type LogDriver } from "../../log/checked-log.js";
import type { RedisClient } from "./clients.js";
import type { Connection } from "./connection.js";
import { connectionOf } from "./connection-of.js";
import { RemoteWakeUps } from "./remote-wake-ups.js";
import { ScriptRunner } from "./script-runner.js";
import { StreamCalls } from "./stream-calls.js";
import { checkFunction, checkInteger } from "../../log/validation.js";

export type {
  IoredisClient,
  IoredisCluster,
  NodeRedisClient,
  NodeRedisCluster,
  RedisClient,
} from "./clients.js";

export interface RedisLogOptions {
  /**
   * What the names of all keys and channels of the log begin with. Logs with the same one share their streams. Not
   * with braces, which have a meaning to a cluster.
   *
   * @defaultValue "resumable-mcp:"
   */
  readonly prefix?: string;
  /**
   * How long a call to the server may take in all, in milliseconds, attempts after a broken connection included. An
   * append that has to wait for others of its stream may take twice as long.
   *
   * @defaultValue 5000
   */
  readonly timeoutMs?: number;
  /**
   * Of how many streams this process remembers the state. An append to another one is no more calls, but more work for
   * the server.
   *
   * @defaultValue 1000
   */
  readonly maxOpenStreams?: number;
  /** How often a silent connection for wake-ups is looked at, in milliseconds. @defaultValue 10000 */
  readonly heartbeatMs?: number;
  /** The largest payload that `append` takes, in bytes of UTF-8. @defaultValue 16 MiB */
  readonly maxPayloadBytes?: number;
  /**
   * How much may wait to be stored at a time, in bytes: the payloads, and about 500 bytes for each. Past it, `append`
   * fails with `overloaded`, and nothing of it is stored.
   *
   * @defaultValue 256 MiB
   */
  readonly maxPendingBytes?: number;
  /**
   * Called when the connection for wake-ups breaks, or cannot be made. Nothing is lost by it: another one is made, and
   * until then followers are woken every few seconds to look for themselves. Must not throw.
   *
   * @defaultValue nothing is called
   */
  readonly onError?: (error: EventStoreError) => void;
}

const DEFAULT_PREFIX = "resumable-mcp:";
const DEFAULT_TIMEOUT_MS = 5000;
const DEFAULT_HEARTBEAT_MS = 10_000;
const DEFAULT_MAX_OPEN_STREAMS = 1000;
const DEFAULT_MAX_PENDING_BYTES = 256 * 1024 * 1024;
/** The longest delay that a timer takes: 2^31 - 1 milliseconds. */
const MAX_TIMER_MS = 2_147_483_647;

/**
 * A log on Redis 7 or Valkey 8: for many machines, any of which may append to any stream and read it.
 *
 * An append is one call to the server, and so is a page of a read. Appends to one stream that come while another is
 * under way go together in one call; where many wait, half of them go in a second one before the first is answered,
 * and are stored only behind it. The client may be one of `ioredis` 5 or of `redis` 5 (node-redis), for one server
 * or a cluster; it must be connected, and it is never closed by the log. For wake-ups the log opens one connection
 * more, as a duplicate of the client's, while anybody is subscribed.
 *
 * When the connection breaks, an append is tried again; the server knows it when it comes a second time, so it is not
 * stored twice. What finally fails is an {@link EventStoreError} whose `mayHaveHappened` says whether the event may be
 * stored all the same.
 *
 * What an acknowledged append outlives is the server's affair: with `appendfsync always` any crash; with the default,
 * `everysec`, the crash of the client, and a crash of the server but for its last second; with replicas, a failover
 * but for what had not reached the replica. The next append of a process whose events were lost so finds it out, and
 * gives none of their numbers to another event: readers who have them go on, the others find a gap, or another epoch
 * when other processes have appended meanwhile.
 *
 * @throws {EventStoreError} `invalid-option`, also for a client that is not connected.
 */
export function redisLog(client: RedisClient, options: RedisLogOptions = {}): EventLog {
  return checkedLog(options.maxPayloadBytes, () => new RedisLog(connectionOf(client), options));
}

class RedisLog implements LogDriver {
  readonly #calls: StreamCalls;
  readonly #wakeUps: RemoteWakeUps;
  readonly #connection: Connection;
  #isReleased = false;

  constructor(connection: Connection, options: RedisLogOptions) {
    const {
      prefix = DEFAULT_PREFIX,
      timeoutMs = DEFAULT_TIMEOUT_MS,
      heartbeatMs = DEFAULT_HEARTBEAT_MS,
    } = options;
    const { maxPendingBytes = DEFAULT_MAX_PENDING_BYTES, onError = () => undefined } = options;
    const { maxOpenStreams = DEFAULT_MAX_OPEN_STREAMS } = options;
    checkPrefix(prefix);
    checkInteger("timeoutMs", timeoutMs, 1, MAX_TIMER_MS);
    checkInteger("heartbeatMs", heartbeatMs, 1, MAX_TIMER_MS);
    checkInteger("maxPendingBytes", maxPendingBytes, 1);
    checkInteger("maxOpenStreams", maxOpenStreams, 1);
    checkFunction("onError", onError);
    this.#connection = connection;
    const runner = new ScriptRunner(connection, timeoutMs);
    const { isCluster } = connection;
    this.#wakeUps = new RemoteWakeUps({ connection, timeoutMs, heartbeatMs, onError });
    this.#calls = new StreamCalls(runner, this.#wakeUps, {
      prefix,
      isCluster,
      timeoutMs,
      maxPendingBytes,
      maxOpenStreams,
    });
  }

  append(stream: string, { payload, bytes }: CheckedEvent, retention: Retention): Promise<Position> {
    return this.#calls.append(stream, payload, bytes, retention);
  }

  read(stream: string, after: number, limit: number): Promise<LogPage | undefined> {
    return this.#calls.read(stream, after, limit);
  }

  subscribe(stream: string, wake: () => void): () => void {
    return this.#wakeUps.subscribe(stream, this.#calls.keysOf(stream).state, wake);
  }

  end(stream: string): Promise<void> {
    return this.#calls.end(stream);
  }

  delete(stream: string): Promise<void> {
    return this.#calls.delete(stream);
  }

  /** What was asked for before is still done, each within its time. */
  async close(): Promise<void> {
    await this.#wakeUps.close();
    await this.#calls.settled();
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#connection.release();
  }
}

function checkPrefix(prefix: unknown): void {
  if (typeof prefix === "string" && !/[{}]/.test(prefix)) return;
  throw new EventStoreError(
    "invalid-option",
    `prefix must be a string without braces, not ${JSON.stringify(prefix)}.`,
  );
}
