import type { Retention } from "../../log/event-log.js";
import { forgetAfterMs } from "../../log/retention-window.js";

/** A retention as the scripts take it and keep it. */
export interface RetentionText {
  /** `maxEvents maxBytes ttl forget` in whole numbers, `-` for no limit. */
  readonly text: string;
  readonly maxEvents: string;
  /** Infinity for no limit. */
  readonly maxBytes: number;
}

/** Beyond it, a Lua number is not exact; nobody counts so far. */
const NO_LIMIT_FROM = 2 ** 53;

/** Writes retentions as text, and keeps the last one: callers pass the same one again and again. */
export class RetentionWriter {
  #retention: Retention | undefined;
  #written: RetentionText | undefined;

  write(retention: Retention): RetentionText {
    const last = this.#retention;
    if (
      this.#written !== undefined &&
      last?.maxEvents === retention.maxEvents &&
      last.maxBytes === retention.maxBytes &&
      last.ttlMs === retention.ttlMs &&
      last.headTtlMs === retention.headTtlMs
    ) {
      return this.#written;
    }
    const maxEvents = word(retention.maxEvents);
    const maxBytes = word(retention.maxBytes);
    const text = `${maxEvents} ${maxBytes} ${word(retention.ttlMs)} ${word(forgetAfterMs(retention, false))}`;
    this.#retention = { ...retention };
    this.#written = { text, maxEvents, maxBytes: maxBytes === "-" ? Infinity : Number(maxBytes) };
    return this.#written;
  }
}

function word(limit: number | null): string {
  return limit === null || limit >= NO_LIMIT_FROM ? "-" : String(Math.floor(limit));
}
