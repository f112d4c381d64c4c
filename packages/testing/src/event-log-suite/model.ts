// Implements the plainest log there can be, a list for each stream, with which the real logs are compared.

import type { LogEntry, Retention } from "@resumable-mcp/server";

interface ModelEvent extends LogEntry {
  readonly at: number;
}

interface ModelStream {
  /** Learnt from the log with the first append. */
  epoch: string | undefined;
  head: number;
  events: ModelEvent[];
  retention: Retention;
  lastAppendAt: number;
  ended: boolean;
}

/** What a page must be, but for an epoch that is not known yet. */
export interface ExpectedPage {
  readonly epoch: string | undefined;
  readonly head: number;
  readonly floor: number;
  readonly ended: boolean;
  readonly entries: readonly LogEntry[];
}

/** The plainest log there can be: the truth that the real ones are held to. */
export class ModelLog {
  now = 0;
  readonly #streams = new Map<string, ModelStream>();

  /** @returns the stream that was appended to and the seq, or `undefined` when the append must be refused. */
  append(
    name: string,
    payload: string,
    retention: Retention,
  ): { readonly stream: { epoch: string | undefined }; readonly seq: number } | undefined {
    const stream = this.#find(name) ?? this.#create(name, retention);
    if (stream.ended) return undefined;
    stream.head += 1;
    stream.events.push({ seq: stream.head, payload, at: this.now });
    stream.retention = retention;
    stream.lastAppendAt = this.now;
    trim(stream);
    return { stream, seq: stream.head };
  }

  /**
   * A retention with a ttl no longer than the stream has already: where each event carries its own expiry, those
   * appended under the shorter one still go by it, and where they do not, not. Both are right.
   */
  withoutLongerTtl(name: string, retention: Retention): Retention {
    const limit = this.#find(name)?.retention.ttlMs ?? Infinity;
    const ttlMs = Math.min(retention.ttlMs ?? Infinity, limit);
    return ttlMs === Infinity ? retention : { ...retention, ttlMs };
  }

  read(name: string, after: number, limit: number): ExpectedPage | undefined {
    const stream = this.#find(name);
    if (stream === undefined) return undefined;
    return {
      epoch: stream.epoch,
      head: stream.head,
      floor: stream.events[0]?.seq ?? stream.head + 1,
      ended: stream.ended,
      entries: stream.events
        .filter(({ seq }) => seq > after)
        .slice(0, limit)
        .map(({ seq, payload }) => ({ seq, payload })),
    };
  }

  end(name: string): void {
    const stream = this.#find(name);
    if (stream !== undefined) stream.ended = true;
  }

  delete(name: string): void {
    this.#streams.delete(name);
  }

  #create(name: string, retention: Retention): ModelStream {
    const stream: ModelStream = {
      epoch: undefined,
      head: 0,
      events: [],
      retention,
      lastAppendAt: this.now,
      ended: false,
    };
    this.#streams.set(name, stream);
    return stream;
  }

  #find(name: string): ModelStream | undefined {
    const stream = this.#streams.get(name);
    if (stream === undefined) return undefined;
    const { ttlMs, headTtlMs } = stream.retention;
    const age = this.now - stream.lastAppendAt;
    const isSilentTooLong = headTtlMs !== null && age > headTtlMs;
    if (ttlMs !== null && age > ttlMs && (stream.ended || isSilentTooLong)) {
      this.#streams.delete(name);
      return undefined;
    }
    if (ttlMs !== null) stream.events = stream.events.filter(({ at }) => this.now - at <= ttlMs);
    return stream;
  }
}

function trim(stream: ModelStream): void {
  const { maxEvents, maxBytes } = stream.retention;
  const encoder = new TextEncoder();
  const bytes = () => stream.events.reduce((sum, { payload }) => sum + encoder.encode(payload).length, 0);
  while (maxEvents !== null && stream.events.length > maxEvents) stream.events.shift();
  while (maxBytes !== null && bytes() > maxBytes) stream.events.shift();
}
