import type { Fault } from "./weather.js";

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
