// Moves the bytes of one direction of a connection, in order, delayed, slowed and in bounded memory.
import { once } from "node:events";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

export interface LaneOptions {
  readonly source: Socket;
  readonly sink: Socket;
  /** When it holds this many bytes it stops reading its source, until the sink has caught up. */
  readonly maxBufferedBytes: number;
  /** Ends the lane; what it holds is dropped. */
  readonly signal: AbortSignal;
  /** Milliseconds by which the chunk that has just come is held back. */
  readonly delayMs: () => number;
  /** Infinity for no limit. Asked again before each slice. */
  readonly bytesPerSecond: () => number;
  /** Writes a piece to the sink, or does what the weather wants instead. */
  readonly deliver: (piece: Buffer) => void;
}

/** A trickle is let through in slices of this much time. */
const SLICE_MS = 20;

/** One direction of a connection: in order, delayed, slowed, in bounded memory. */
export class Lane {
  readonly #options: LaneOptions;
  #queue: { readonly chunk: Buffer; readonly dueMs: number }[] = [];
  #bytes = 0;
  #lastDueMs = 0;
  #ended = false;
  #wake: () => void = () => undefined;

  constructor(options: LaneOptions) {
    this.#options = options;
  }

  push(chunk: Buffer): void {
    this.#lastDueMs = Math.max(this.#lastDueMs, performance.now() + this.#options.delayMs());
    this.#queue.push({ chunk, dueMs: this.#lastDueMs });
    this.#bytes += chunk.length;
    if (this.#bytes >= this.#options.maxBufferedBytes) this.#options.source.pause();
    this.#wake();
  }

  /** The source has ended; so will the sink, after what is queued. */
  end(): void {
    this.#ended = true;
    this.#wake();
  }

  /** Forgets what is queued and lets the source flow. */
  clear(): void {
    this.#queue = [];
    this.#bytes = 0;
    this.#options.source.resume();
  }

  /** Moves bytes until the source has ended or the signal is aborted. */
  async run(): Promise<void> {
    const { signal, sink } = this.#options;
    try {
      for (;;) {
        const entry = await this.#next();
        if (entry === undefined) break;
        const waitMs = entry.dueMs - performance.now();
        if (waitMs > 0) await sleep(waitMs, undefined, { signal });
        await this.#deliver(entry.chunk);
      }
      sink.end();
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  async #next() {
    const { signal } = this.#options;
    while (this.#queue.length === 0 && !this.#ended) {
      await new Promise<void>((resolve) => {
        const wake = () => {
          signal.removeEventListener("abort", wake);
          resolve();
        };
        signal.addEventListener("abort", wake);
        this.#wake = wake;
      });
      signal.throwIfAborted();
    }
    return this.#queue.shift();
  }

  async #deliver(chunk: Buffer): Promise<void> {
    const { signal, source, sink, bytesPerSecond, deliver, maxBufferedBytes } = this.#options;
    let rest = chunk;
    while (rest.length > 0) {
      const rate = bytesPerSecond();
      const slice = rest.subarray(0, Math.max(1, Math.ceil((rate * SLICE_MS) / 1000)));
      rest = rest.subarray(slice.length);
      deliver(slice);
      signal.throwIfAborted();
      if (rate < Infinity) await sleep((slice.length / rate) * 1000, undefined, { signal });
      if (sink.writableNeedDrain) await once(sink, "drain", { signal });
    }
    this.#bytes = Math.max(0, this.#bytes - chunk.length);
    if (this.#bytes < maxBufferedBytes / 2 && source.isPaused()) source.resume();
  }
}
