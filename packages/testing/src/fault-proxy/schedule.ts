// Runs the faults that come with time, whatever is requested: kills, outages and storms.
import { setTimeout as sleep } from "node:timers/promises";
import type { Connection } from "./connection.js";
import { befalls, unavailable, type OwnAnswer } from "./plan.js";
import { exponential, seededRandom, type Random } from "../random.js";
import type { Kills, Outages, Storms, Weather } from "./weather.js";

/** The faults that come with time: kills, outages and storms. Holds while one weather lasts. */
export class Schedule {
  readonly #end = new AbortController();
  readonly #connections: ReadonlySet<Connection>;
  #outage: "outages" | "offline" | undefined;
  #storm: OwnAnswer | undefined;
  #refusedMs = 0;
  /** Since when nothing gets through. */
  #refusingSince: number | undefined;

  constructor(weather: Weather, connections: ReadonlySet<Connection>, seeds: readonly number[]) {
    this.#connections = connections;
    weather.forEach((fault, index) => {
      if (fault.kind === "kills") this.#start(this.#kills(fault, seededRandom(...seeds, index)));
      if (fault.kind === "outages") this.#start(this.#outages(fault));
      if (fault.kind === "storms") this.#start(this.#storms(fault));
      if (fault.kind === "offline") this.#beginOutage("offline");
    });
  }

  /** Which outage there is now, if any. */
  get outage(): "outages" | "offline" | undefined {
    return this.#outage;
  }

  /** What the proxy answers to every request now, if a storm rages. */
  get storm(): OwnAnswer | undefined {
    return this.#storm;
  }

  /** For how long nothing got through, in milliseconds. */
  get refusedMs(): number {
    const now = performance.now();
    return this.#refusedMs + now - (this.#refusingSince ?? now);
  }

  end(): void {
    this.#end.abort();
    this.#outage = undefined;
    this.#storm = undefined;
    this.#noteRefusing();
  }

  #start(running: Promise<never>): void {
    running.catch((error: unknown) => {
      if (!this.#end.signal.aborted) throw error;
    });
  }

  async #kills(fault: Kills, random: Random): Promise<never> {
    for (;;) {
      await this.#sleep(exponential(random, fault.meanIntervalMs));
      const victims = [...this.#connections].filter(
        ({ request }) => fault.on === undefined || (request !== undefined && befalls(fault, request.kind)),
      );
      victims[Math.floor(random() * victims.length)]?.cut("kills");
    }
  }

  async #outages({ everyMs, lastingMs }: Outages): Promise<never> {
    for (;;) {
      await this.#sleep(everyMs - lastingMs);
      this.#beginOutage("outages");
      await this.#sleep(lastingMs);
      this.#outage = undefined;
      this.#noteRefusing();
    }
  }

  async #storms(fault: Storms): Promise<never> {
    for (;;) {
      await this.#sleep(fault.everyMs - fault.lastingMs);
      this.#storm = unavailable(fault);
      this.#noteRefusing();
      for (const connection of this.#connections) connection.cut("storms");
      await this.#sleep(fault.lastingMs);
      this.#storm = undefined;
      this.#noteRefusing();
    }
  }

  #beginOutage(cause: "outages" | "offline"): void {
    this.#outage = cause;
    this.#noteRefusing();
    for (const connection of this.#connections) connection.cut(cause);
  }

  #noteRefusing(): void {
    this.#refusedMs = this.refusedMs;
    const isRefusing = this.#outage !== undefined || this.#storm !== undefined;
    this.#refusingSince = isRefusing ? performance.now() : undefined;
  }

  #sleep(ms: number): Promise<void> {
    return sleep(ms, undefined, { signal: this.#end.signal });
  }
}
