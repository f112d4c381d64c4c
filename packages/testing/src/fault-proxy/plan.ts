// Decides by lot, from the weather, what will happen to one request.
import { exponential, integerBetween, type Random } from "../random.js";
import type { RequestKind } from "./http.js";
import type { Direction, Fault, Latency, Storms, Unavailable, Weather } from "./weather.js";

/** An answer that the proxy gives itself, in place of the target. */
export interface OwnAnswer {
  readonly cause: "unavailable" | "empty-stream" | "storms";
  readonly status: number;
  readonly text: string;
}

/** What the weather has in store for one request; drawn once, when its head has come. */
export interface Plan {
  readonly ownAnswer: OwnAnswer | undefined;
  /** Infinity: never. */
  readonly cutAfterBytes: number;
  /** Milliseconds until the connection is reset. Infinity: never. */
  readonly lifetimeMs: number;
  readonly silence: { readonly afterBytes: number; readonly direction: Direction } | undefined;
  readonly latencies: readonly Latency[];
  /** Infinity: no limit. */
  readonly bytesPerSecond: number;
}

export const CALM_PLAN: Plan = {
  ownAnswer: undefined,
  cutAfterBytes: Infinity,
  lifetimeMs: Infinity,
  silence: undefined,
  latencies: [],
  bytesPerSecond: Infinity,
};

/** Whether a fault with this `on` befalls a request of this kind. */
export function befalls(fault: { readonly on?: readonly RequestKind[] }, kind: RequestKind): boolean {
  return fault.on?.includes(kind) ?? true;
}

function answer(status: number, headers: readonly string[]): string {
  // The reason phrase may be empty (RFC 9112, section 4).
  return [`HTTP/1.1 ${status} `, ...headers, "Connection: close", "", ""].join("\r\n");
}

/** The answer of a gateway that has no server. */
export function unavailable(fault: Unavailable | Storms): OwnAnswer {
  const { kind: cause, retryAfterSeconds, status = 503 } = fault;
  const retryAfter = retryAfterSeconds === undefined ? [] : [`Retry-After: ${retryAfterSeconds}`];
  return { cause, status, text: answer(status, [...retryAfter, "Content-Length: 0"]) };
}

/** Counts the requests that each fault of one weather may befall. */
export class Turns {
  readonly #taken = new Map<Fault, number>();

  /** The number of the request that has just come, from 1. */
  next(fault: Fault): number {
    const turn = (this.#taken.get(fault) ?? 0) + 1;
    this.#taken.set(fault, turn);
    return turn;
  }
}

/** Every draw is made whether or not it counts, so that what one fault does leaves the others' luck unchanged. */
export function planFor(weather: Weather, kind: RequestKind, random: Random, turns = new Turns()): Plan {
  let plan = CALM_PLAN;
  for (const fault of weather) {
    const share = ("share" in fault ? fault.share : undefined) ?? 1;
    const strikes = random() < share && (!("on" in fault) || befalls(fault, kind));
    switch (fault.kind) {
      case "cuts": {
        const bytes = integerBetween(random, fault.afterBytes.min, fault.afterBytes.max);
        if (strikes && turns.next(fault) % (fault.every ?? 1) === 0)
          plan = { ...plan, cutAfterBytes: Math.min(plan.cutAfterBytes, bytes) };
        break;
      }
      case "lifetimes": {
        const lifetimeMs = exponential(random, fault.meanMs);
        if (strikes) plan = { ...plan, lifetimeMs: Math.min(plan.lifetimeMs, lifetimeMs) };
        break;
      }
      case "silence": {
        const range = fault.afterBytes ?? { min: 0, max: 0 };
        const afterBytes = integerBetween(random, range.min, range.max);
        if (strikes) plan = { ...plan, silence: { afterBytes, direction: fault.direction ?? "both" } };
        break;
      }
      case "latency":
        if (strikes) plan = { ...plan, latencies: [...plan.latencies, fault] };
        break;
      case "trickle":
        if (strikes) {
          plan = { ...plan, bytesPerSecond: Math.min(plan.bytesPerSecond, fault.bytesPerSecond) };
        }
        break;
      case "unavailable":
        if (strikes) plan = { ...plan, ownAnswer: unavailable(fault) };
        break;
      case "empty-stream":
        if (strikes) {
          const text = answer(200, ["Content-Type: text/event-stream"]);
          plan = { ...plan, ownAnswer: { cause: "empty-stream", status: 200, text } };
        }
        break;
      case "kills":
      case "outages":
      case "storms":
      case "offline":
      case "accept-and-close":
        // These befall connections, not requests.
        break;
    }
  }
  return plan;
}

/** How long a chunk that has just come is to be held back, in milliseconds. */
export function delayOf(plan: Plan, direction: "up" | "down", random: Random): number {
  return plan.latencies
    .filter((latency) => (latency.direction ?? "both") === "both" || latency.direction === direction)
    .reduce((sum, { ms, jitterMs = 0 }) => sum + ms + (2 * random() - 1) * jitterMs, 0);
}
