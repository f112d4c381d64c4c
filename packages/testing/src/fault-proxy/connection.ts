// Passes the bytes of one connection on, and cuts, silences or answers it as its plan says.
import { connect, type Socket } from "node:net";
import { MAX_TIMER_MS } from "./checks.js";
import type { Cause, Journal, RequestRecord } from "./journal.js";
import { Lane } from "./lane.js";
import { CALM_PLAN, delayOf, planFor, type OwnAnswer, type Plan, type Turns } from "./plan.js";
import { seededRandom, type Random } from "../random.js";
import { Answer, RequestHeads, type RequestHead } from "./http.js";
import type { Direction, Weather } from "./weather.js";

export interface ConnectionOptions {
  /** Counts the connections of the proxy from 1. */
  readonly id: number;
  readonly seed: number;
  readonly client: Socket;
  readonly target: { readonly host: string; readonly port: number };
  readonly maxBufferedBytes: number;
  readonly journal: Journal;
  readonly weather: Weather;
  readonly turns: Turns;
  /** What the proxy answers to a request that comes now, whatever it is, if a storm rages. */
  readonly storm: () => OwnAnswer | undefined;
}

interface Exchange {
  readonly head: RequestHead;
  readonly number: number;
  readonly answer: Answer;
}

type State =
  | { readonly name: "passing" }
  | { readonly name: "silent"; readonly direction: Direction }
  /** The proxy has answered in place of the target. */
  | { readonly name: "answered" }
  | { readonly name: "cut" };

/** One client's connection, and the one to the target that belongs to it. */
export class Connection {
  readonly id: number;
  /** Fulfilled when both sockets are closed. */
  readonly closed: Promise<void>;
  readonly #options: ConnectionOptions;
  readonly #client: Socket;
  readonly #target: Socket;
  readonly #up: Lane;
  readonly #down: Lane;
  readonly #over = new AbortController();
  readonly #requests = new RequestHeads();
  readonly #jitter: Random;
  #weather: Weather;
  #turns: Turns;
  #weatherNumber = 0;
  #state: State = { name: "passing" };
  #isReached = false;
  #exchange: Exchange | undefined;
  #plan: Plan = CALM_PLAN;
  #death: NodeJS.Timeout | undefined;
  /** Bytes of the answer that had gone down when the plan was made. */
  #planStart = 0;

  constructor(options: ConnectionOptions) {
    this.id = options.id;
    this.#options = options;
    this.#weather = options.weather;
    this.#turns = options.turns;
    this.#jitter = seededRandom(options.seed, options.id);
    this.#client = options.client.setNoDelay(true);
    this.#target = connect({ ...options.target, allowHalfOpen: true, noDelay: true });
    this.#target.once("connect", () => (this.#isReached = true));
    this.#up = this.#lane("up", this.#client, this.#target, (piece) => void this.#target.write(piece));
    this.#down = this.#lane("down", this.#target, this.#client, (piece) => this.#deliverDown(piece));
    this.#client.on("data", (chunk: Buffer) => this.#fromClient(chunk));
    this.#target.on("data", (chunk: Buffer) => this.#fromTarget(chunk));
    const sides = [
      this.#join("up", this.#client, this.#target, this.#up),
      this.#join("down", this.#target, this.#client, this.#down),
    ];
    this.closed = Promise.all(sides).then(() => {
      clearTimeout(this.#death);
      this.#over.abort();
    });
  }

  /** The latest request, with how far its answer has come. */
  get request(): RequestRecord | undefined {
    if (this.#exchange === undefined) return undefined;
    const { head, number, answer } = this.#exchange;
    return { ...head, number, bytesDown: answer.bytes, answer: answer.progress, isStream: answer.isStream };
  }

  /** A new plan for the latest request too. Byte counts start again; silence stays. */
  setWeather(weather: Weather, turns: Turns): void {
    this.#weather = weather;
    this.#turns = turns;
    this.#weatherNumber += 1;
    // An answer of the proxy's own is for a request that has not yet gone to the target; this one has.
    if (this.#exchange !== undefined) this.#follow({ ...this.#draw(this.#exchange), ownAnswer: undefined });
    this.#planStart = this.#exchange?.answer.bytes ?? 0;
  }

  /** Resets both sockets, unless the connection is ending with the proxy's own answer anyway. */
  cut(cause: Cause): void {
    if (this.#state.name === "cut" || this.#state.name === "answered") return;
    this.#note("cut", cause);
    this.#state = { name: "cut" };
    this.#over.abort();
    reset(this.#client);
    reset(this.#target);
  }

  /** Swallows what comes from now on. */
  silence(direction: Direction, cause: Cause): void {
    if (this.#state.name !== "passing") return;
    this.#note("silenced", cause);
    this.#state = { name: "silent", direction };
    if (!this.#passes("up")) this.#up.clear();
    if (!this.#passes("down")) this.#down.clear();
  }

  #lane(direction: "up" | "down", source: Socket, sink: Socket, deliver: (piece: Buffer) => void): Lane {
    const lane = new Lane({
      source,
      sink,
      deliver: (piece) => {
        if (this.#passes(direction)) deliver(piece);
      },
      maxBufferedBytes: this.#options.maxBufferedBytes,
      signal: this.#over.signal,
      delayMs: () => delayOf(this.#plan, direction, this.#jitter),
      bytesPerSecond: () => (direction === "down" ? this.#plan.bytesPerSecond : Infinity),
    });
    void lane.run();
    return lane;
  }

  /** What becomes of one socket is passed on to the other, unless this direction is silent; until it is closed. */
  #join(direction: "up" | "down", from: Socket, to: Socket, lane: Lane): Promise<void> {
    from.on("end", () => {
      if (this.#passes(direction)) lane.end();
      // The other end is not told, but this one may finish closing.
      else from.end();
    });
    from.on("error", (error) => {
      if (direction === "down" && !this.#isReached && this.#passes("down")) {
        const { journal } = this.#options;
        journal.note({ type: "unreachable", atMs: journal.now(), connection: this.id, error });
      }
      if (this.#passes(direction)) reset(to);
    });
    return new Promise((resolve) => {
      from.on("close", () => {
        // A target that has closed in good order has queued bytes and an end in the lane, still on their way.
        if (direction === "up" && this.#passes("up")) to.destroy();
        resolve();
      });
    });
  }

  #passes(direction: "up" | "down"): boolean {
    if (this.#state.name === "silent") {
      return this.#state.direction !== "both" && this.#state.direction !== direction;
    }
    return this.#state.name === "passing";
  }

  #note(type: "cut" | "silenced", cause: Cause): void {
    const { journal } = this.#options;
    journal.note({ type, cause, atMs: journal.now(), connection: this.id, request: this.request });
  }

  #draw({ head, number }: Exchange): Plan {
    const { seed, id } = this.#options;
    return planFor(
      this.#weather,
      head.kind,
      seededRandom(seed, id, number, this.#weatherNumber),
      this.#turns,
    );
  }

  #follow(plan: Plan): void {
    this.#plan = plan;
    clearTimeout(this.#death);
    // Beyond what a timer takes, and Infinity, is never.
    if (plan.lifetimeMs < MAX_TIMER_MS) {
      this.#death = setTimeout(() => this.cut("lifetimes"), plan.lifetimeMs);
    }
  }

  #fromClient(chunk: Buffer): void {
    if (!this.#passes("up")) return;
    const { head, bytes } = this.#requests.feed(chunk);
    if (head !== undefined) this.#begin(head);
    if (bytes.length > 0 && this.#passes("up")) this.#up.push(bytes);
  }

  #begin(head: RequestHead): void {
    this.#exchange = { head, number: (this.#exchange?.number ?? 0) + 1, answer: new Answer() };
    this.#follow(this.#draw(this.#exchange));
    this.#planStart = 0;
    const { journal } = this.#options;
    const request = this.request;
    if (request !== undefined) {
      journal.note({ type: "request", atMs: journal.now(), connection: this.id, request });
    }
    const { silence } = this.#plan;
    const ownAnswer = this.#options.storm() ?? this.#plan.ownAnswer;
    if (ownAnswer !== undefined) this.#answer(ownAnswer);
    else if (silence?.afterBytes === 0) this.silence(silence.direction, "silence");
  }

  #answer({ cause, status, text }: OwnAnswer): void {
    const { journal } = this.#options;
    const { request } = this;
    journal.note({ type: "answered", cause, status, atMs: journal.now(), connection: this.id, request });
    this.#state = { name: "answered" };
    this.#up.clear();
    this.#target.destroy();
    this.#client.end(text);
  }

  #fromTarget(chunk: Buffer): void {
    if (!this.#passes("down")) return;
    this.#requests.answered();
    this.#down.push(chunk);
  }

  #deliverDown(piece: Buffer): void {
    const gone = (this.#exchange?.answer.bytes ?? 0) - this.#planStart;
    const { cutAfterBytes, silence } = this.#plan;
    const silentAfterBytes = silence?.afterBytes ?? Infinity;
    const room = Math.max(0, Math.min(cutAfterBytes, silentAfterBytes) - gone);
    const passed = piece.subarray(0, room);
    this.#exchange?.answer.passed(passed);
    if (piece.length < room) {
      this.#client.write(passed);
    } else if (cutAfterBytes <= silentAfterBytes) {
      // A reset drops what has not been written yet.
      this.#client.write(passed, (error) => {
        if (!error) this.cut("cuts");
      });
    } else if (silence !== undefined) {
      this.#client.write(passed);
      this.silence(silence.direction, "silence");
    }
  }
}

/** Resets a connection at once: whatever has not been sent is dropped, and the peer gets an RST and no FIN. */
export function reset(socket: Socket): void {
  if (socket.destroyed) return;
  // A socket that is still connecting would be reset only once it is connected. And one whose FIN waits for earlier
  // bytes cannot be reset: libuv refuses with EINVAL, upon which Node never closes the socket.
  if (socket.connecting || (socket.writableEnded && !socket.writableFinished)) {
    socket.destroy();
    return;
  }
  // `resetAndDestroy` closes through `destroySoon`, which first sends what is queued and a FIN: the peer would see an
  // orderly end, and one that does not read would never be reset.
  socket.destroySoon = () => void socket.destroy();
  socket.resetAndDestroy();
}
