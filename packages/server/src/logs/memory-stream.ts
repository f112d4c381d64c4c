import type { LogPage, Retention } from "../log/event-log.js";
import { randomId } from "../log/text.js";
import { Place } from "../log/collections.js";
import { pageOf, type RetainedPayload, RetentionWindow } from "../log/retention.js";

/** What an event takes on the heap beside its payload, in bytes (measured: 102). */
const EVENT_OVERHEAD_BYTES = 110;
/** What a stream takes on the heap beside its name and events, in bytes (measured: 760). */
const STREAM_OVERHEAD_BYTES = 800;

/** One stream of the memory log. */
export class MemoryStream {
  readonly name: string;
  readonly epoch = randomId();
  readonly place: Place<MemoryStream> = new Place<MemoryStream>(this);
  readonly window: RetentionWindow<RetainedPayload>;

  constructor(name: string, retention: Retention, now: number) {
    this.name = name;
    this.window = new RetentionWindow(retention, 0, now);
  }

  /** What the stream counts against the budget of the whole log, in bytes. */
  get cost(): number {
    const { payloadBytes, count } = this.window;
    return STREAM_OVERHEAD_BYTES + 2 * this.name.length + payloadBytes + EVENT_OVERHEAD_BYTES * count;
  }

  append(payload: string, bytes: number, retention: Retention, now: number): void {
    this.window.retention = retention;
    this.window.push({ payload, bytes, at: this.window.timeOf(now) });
    this.window.trim();
  }

  page(after: number, limit: number): LogPage {
    return pageOf(this.window, this.epoch, after, limit);
  }
}
