import type { StreamState } from "./stream-state.js";

/** So many streams' states are kept, and at most as many again that were used before them. */
const MAX_RECENT_STREAMS = 5000;

/** The states of the streams that were appended to lately: two generations, so that each step takes constant time. */
export class RecentStreams {
  #young = new Map<string, StreamState>();
  #old = new Map<string, StreamState>();

  get(name: string): StreamState | undefined {
    const young = this.#young.get(name);
    if (young !== undefined) return young;
    const old = this.#old.get(name);
    if (old !== undefined) this.set(name, old);
    return old;
  }

  set(name: string, state: StreamState): void {
    if (this.#young.size >= MAX_RECENT_STREAMS) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(name, state);
  }

  delete(name: string): void {
    this.#young.delete(name);
    this.#old.delete(name);
  }

  clear(): void {
    this.#young.clear();
    this.#old.clear();
  }
}
