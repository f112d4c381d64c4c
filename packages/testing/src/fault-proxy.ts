// Starts a proxy in front of a real server that breaks its connections as the weather says.
import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { checkInteger, checkTarget, checkWeather } from "./fault-proxy/checks.js";
import { Connection, reset } from "./fault-proxy/connection.js";
import { Journal, type Counters, type ProxyEvent } from "./fault-proxy/journal.js";
import { Turns } from "./fault-proxy/plan.js";
import { Schedule } from "./fault-proxy/schedule.js";
import type { Direction, Weather } from "./fault-proxy/weather.js";
import { seededRandom } from "./random.js";

export { isCutInMidStream, isCutOnResume } from "./fault-proxy/journal.js";
export type { Cause, Counters, ProxyEvent, RequestRecord } from "./fault-proxy/journal.js";
export type { AnswerProgress, RequestHead, RequestKind } from "./fault-proxy/http.js";
export type {
  AcceptAndClose,
  ByteRange,
  Cuts,
  Direction,
  EmptyStream,
  Fault,
  Kills,
  Latency,
  Lifetimes,
  Offline,
  Outages,
  Silence,
  Storms,
  Trickle,
  Unavailable,
  Weather,
} from "./fault-proxy/weather.js";

export interface FaultProxyOptions {
  /** The server to stand in front of: an `http:` URL. Its path and query are those of {@link FaultProxy.url}. */
  readonly target: string | URL;
  /**
   * The same seed makes the same decisions for the same connection and request, counted as they come. A whole
   * number from 0 to 2^32 - 1.
   */
  readonly seed: number;
  /** @defaultValue calm */
  readonly weather?: Weather;
  /** The port to listen on, on 127.0.0.1. @defaultValue 0: any free one */
  readonly port?: number;
  /** What one direction of one connection may hold back before its sender has to wait. @defaultValue 262144 */
  readonly maxBufferedBytes?: number;
  /** Further connections are turned away. @defaultValue 1000 */
  readonly maxConnections?: number;
  /** How much of the log is kept, newest last. @defaultValue 10000 */
  readonly maxLogEntries?: number;
  /** Called for each event as it happens. Must not throw. */
  readonly onEvent?: (event: ProxyEvent) => void;
}

/** A proxy in front of a real server, with real sockets that really break. */
export interface FaultProxy {
  /** The target's URL with the proxy's host and port. */
  readonly url: string;
  readonly port: number;
  /** The newest events, oldest first. */
  readonly log: readonly ProxyEvent[];
  readonly counters: Counters;
  /** How many connections are open now, on at least one of their two sides. */
  readonly connections: number;
  /** For how long nothing at all got through, in milliseconds: outages and storms. */
  readonly refusedMs: number;
  /**
   * Replaces the weather, for open connections too: it counts their bytes from now on.
   * @throws {ResumeError} `invalid-option` when a fault is out of range; the weather stays as it was.
   */
  setWeather(weather: Weather): void;
  /** Resets every open connection, and returns how many there were. */
  killAll(): number;
  /** Makes every open connection go silent, in both directions unless told otherwise, and returns how many. */
  silenceAll(direction?: Direction): number;
  /** Resets what is open and stops listening. Nothing runs afterwards. Safe to call twice. */
  close(): Promise<void>;
}

/**
 * Starts a TCP proxy on 127.0.0.1 that breaks connections as the weather says. It passes bytes unchanged and reads
 * only the heads of requests and answers, to know what it breaks: connections may be kept alive, but not pipelined.
 *
 * An outage resets connections as soon as they are accepted: it does not stop listening, since another process could
 * take the port meanwhile.
 *
 * @throws {ResumeError} `invalid-option`; the system's error when the port cannot be listened on.
 */
export async function faultProxy(options: FaultProxyOptions): Promise<FaultProxy> {
  const target = checkTarget(options.target);
  const { seed, port = 0, onEvent = () => undefined } = options;
  const { maxBufferedBytes = 256 * 1024, maxConnections = 1000, maxLogEntries = 10_000 } = options;
  checkInteger("seed", seed, 0, 2 ** 32 - 1);
  checkInteger("port", port, 0, 65_535);
  checkInteger("maxBufferedBytes", maxBufferedBytes, 1, Number.MAX_SAFE_INTEGER);
  checkInteger("maxConnections", maxConnections, 1, Number.MAX_SAFE_INTEGER);
  checkInteger("maxLogEntries", maxLogEntries, 1, Number.MAX_SAFE_INTEGER);
  checkWeather("weather", options.weather ?? []);

  const journal = new Journal(maxLogEntries, onEvent);
  const connections = new Set<Connection>();
  const address = { host: target.hostname.replace(/^\[|\]$/g, ""), port: Number(target.port || 80) };
  let opened = 0;
  let weather: Weather = [];
  let weatherNumber = 0;
  let turns = new Turns();
  let refusedBeforeMs = 0;
  let schedule = new Schedule(weather, connections, []);
  const setWeather = (next: Weather) => {
    schedule.end();
    refusedBeforeMs += schedule.refusedMs;
    weather = next;
    weatherNumber += 1;
    turns = new Turns();
    for (const connection of connections) connection.setWeather(next, turns);
    schedule = new Schedule(next, connections, [seed, 0, weatherNumber]);
  };

  const accept = (client: Socket) => {
    const id = (opened += 1);
    journal.note({ type: "opened", atMs: journal.now(), connection: id });
    // A connection that is turned away may be reset by the client meanwhile.
    client.on("error", () => undefined);
    if (schedule.outage !== undefined) {
      journal.note({ type: "refused", cause: schedule.outage, atMs: journal.now(), connection: id });
      reset(client);
      return;
    }
    const random = seededRandom(seed, id, 0, weatherNumber);
    if (weather.some((fault) => fault.kind === "accept-and-close" && random() < (fault.share ?? 1))) {
      journal.note({ type: "refused", cause: "accept-and-close", atMs: journal.now(), connection: id });
      client.end();
      // The request is read and dropped: unread bytes would turn the orderly end into a reset.
      client.resume();
      client.once("end", () => client.destroy());
      return;
    }
    const connection = new Connection({
      id,
      seed,
      client,
      target: address,
      maxBufferedBytes,
      journal,
      weather,
      turns,
      storm: () => schedule.storm,
    });
    connections.add(connection);
    void connection.closed.then(() => connections.delete(connection));
  };

  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (client) => {
    sockets.add(client);
    client.once("close", () => sockets.delete(client));
    accept(client);
  });
  server.maxConnections = maxConnections;
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  setWeather(options.weather ?? []);
  // A listening TCP server's address is an object: a string is for pipes, null for servers that do not listen.
  const listening = server.address() as AddressInfo;
  const url = new URL(target);
  url.hostname = "127.0.0.1";
  url.port = String(listening.port);

  const shut = async () => {
    schedule.end();
    const closed = once(server, "close");
    server.close();
    const open = [...connections];
    for (const connection of open) connection.cut("control");
    for (const socket of sockets) socket.destroy();
    await Promise.all([closed, ...open.map((connection) => connection.closed)]);
  };
  let closing: Promise<void> | undefined;

  return {
    url: url.href,
    port: listening.port,
    get log() {
      return journal.log;
    },
    get counters() {
      return journal.counters;
    },
    get connections() {
      return connections.size;
    },
    get refusedMs() {
      return refusedBeforeMs + schedule.refusedMs;
    },
    setWeather(next) {
      checkWeather("weather", next);
      setWeather(next);
    },
    killAll() {
      const victims = [...connections];
      for (const connection of victims) connection.cut("control");
      return victims.length;
    },
    silenceAll(direction = "both") {
      const victims = [...connections];
      for (const connection of victims) connection.silence(direction, "control");
      return victims.length;
    },
    close() {
      closing ??= shut();
      return closing;
    },
  };
}
