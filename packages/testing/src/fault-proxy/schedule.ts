import { setTimeout as sleep } from "node:timers/promises";
import type { Connection } from "./connection.js";
import { befalls } from "./plan.js";
import { exponential, seededRandom, type Random } from "./random.js";
import type { Kills, Outages, Weather } from "./weather.js";

/** The faults that come with time: kills and outages. Holds while one weather lasts. */
export class Schedule {
  readonly #end = new AbortController();
  readonly #connections: ReadonlySet<Connection>;
  #outage: "outages" | "offline" | undefined;

  constructor(weather: Weather, connections: ReadonlySet<Connection>, seeds: readonly number[]) {
    this.#connections = connections;
    weather.forEach((fault, index) => {
      if (fault.kind === "kills") this.#start(this.#kills(fault, seededRandom(...seeds, index)));
      if (fault.kind === "outages") this.#start(this.#outages(fault));
      if (fault.kind === "offline") this.#beginOutage("offline");
    });
  }

  /** Which outage there is now, if any. */
  get outage(): "outages" | "offline" | undefined {
    return this.#outage;
  }

  end(): void {
    this.#end.abort();
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
    }
  }

  #beginOutage(cause: "outages" | "offline"): void {
    this.#outage = cause;
    for (const connection of this.#connections) connection.cut(cause);
  }

  #sleep(ms: number): Promise<void> {
    return sleep(ms, undefined, { signal: this.#end.signal });
  }
}
