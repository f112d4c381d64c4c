// Reads pages from the streams of the key-value log, and notices what the store has lost or others have written.

import type { LogEntry, LogPage } from "../../log/event-log.js";
import type { KeyValueBackend } from "./backend.js";
import { KeyValueStream } from "./stream.js";
import type { Lanes } from "../../log/lanes.js";

type Payloads = Map<number, string>;

/** The reading half of the key-value log. */
export class KeyValueReader {
  readonly #backend: KeyValueBackend;
  readonly #lanes: Lanes<KeyValueStream>;
  readonly #now: () => number;

  constructor(backend: KeyValueBackend, lanes: Lanes<KeyValueStream>, now: () => number) {
    this.#backend = backend;
    this.#lanes = lanes;
    this.#now = now;
  }

  async read(name: string, after: number, limit: number): Promise<LogPage | undefined> {
    const own = this.#lanes.peek(name);
    if (own?.isOwned === true) {
      // What this process wrote last is known here, so that a read need not wait for the appends in progress. The head
      // comes along to notice that the store was flushed, or the stream deleted or taken over by another process.
      const [head, page] = await Promise.all([this.#backend.readHead(name), this.#page(own, after, limit)]);
      if (head !== undefined && !own.isSupersededBy(head)) return page;
    }
    return this.#lanes.run(name, async (lane) => {
      // Meanwhile an append may have made what is known here the truth again.
      if (lane.state !== own && lane.state?.isOwned === true) return this.#page(lane.state, after, limit);
      const known = lane.state?.isOwned === true ? undefined : lane.state;
      lane.state = undefined;
      const payloads: Payloads = new Map();
      const stream = await KeyValueStream.load(this.#backend, name, known, this.#now(), (seq, payload) => {
        if (seq > after && seq <= after + limit) payloads.set(seq, payload);
      });
      if (stream === undefined || stream.window.isForgotten(this.#now())) return undefined;
      lane.state = stream;
      return this.#page(stream, after, limit, payloads);
    });
  }

  /** Reads the events, and takes the last absent one and all before it for lost: the backend has evicted it. */
  async #page(
    stream: KeyValueStream,
    after: number,
    limit: number,
    payloads: Payloads = new Map(),
  ): Promise<LogPage | undefined> {
    const { window } = stream;
    for (;;) {
      if (window.isForgotten(this.#now())) return undefined;
      window.expire(this.#now());
      const first = Math.max(after + 1, window.floor);
      const last = Math.min(window.head, first + limit - 1);
      await this.#fetch(stream, first, last, payloads);
      const entries: LogEntry[] = [];
      for (let seq = first; seq <= last; seq += 1) {
        const payload = payloads.get(seq);
        if (payload === undefined) window.dropBelow(seq + 1);
        else entries.push({ seq, payload });
      }
      const { floor, head } = window;
      const left = entries.filter(({ seq }) => seq >= floor);
      if (left.length === 0 && first <= last && floor <= head) continue;
      return { entries: left, head: { epoch: stream.epoch, seq: head }, floor, ended: window.isEnded };
    }
  }

  async #fetch(stream: KeyValueStream, first: number, last: number, payloads: Payloads): Promise<void> {
    const seqs: number[] = [];
    for (let seq = first; seq <= last; seq += 1) if (!payloads.has(seq)) seqs.push(seq);
    const events = await this.#backend.readEvents(seqs.map((seq) => stream.keyOf(seq)));
    for (const [index, seq] of seqs.entries()) {
      const payload = events[index]?.payload;
      if (payload !== undefined) payloads.set(seq, payload);
    }
  }
}
