import type { Retention } from "../../event-log.js";
import { forgetAfterMs } from "../retention-window.js";

/** A retention as the scripts take it and keep it. */
export interface RetentionText {
  /** `maxEvents maxBytes ttlMs forgetMs` in whole numbers, `-` for no limit. */
  readonly text: string;
  readonly maxEvents: string;
  readonly maxBytes: string;
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
    const maxEvents = limitText(retention.maxEvents);
    const maxBytes = limitText(retention.maxBytes);
    const ttlMs = limitText(retention.ttlMs);
    const forgetMs = limitText(forgetAfterMs(retention, false));
    this.#retention = { ...retention };
    this.#written = { text: `${maxEvents} ${maxBytes} ${ttlMs} ${forgetMs}`, maxEvents, maxBytes };
    return this.#written;
  }
}

function limitText(limit: number | null): string {
  return limit === null || limit >= NO_LIMIT_FROM ? "-" : String(Math.floor(limit));
}
