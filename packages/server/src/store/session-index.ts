// Keeps the list of a session's streams in the log, so that a process that never saw the session can delete it.

import type { Retention } from "../log/event-log.js";
import type { LimitedLog } from "./time-limited-log.js";

const PAGE_SIZE = 1000;

/** The list of a session's streams, itself a stream of the log. A stream may be listed more than once. */
export class SessionIndex {
  readonly #log: LimitedLog;
  readonly #name: string;
  readonly #retention: Retention;

  constructor(log: LimitedLog, name: string, retention: Retention) {
    this.#log = log;
    this.#name = name;
    this.#retention = retention;
  }

  /** @throws {EventStoreError} what the log throws. */
  async add(streamId: string): Promise<void> {
    const appended = await this.#log.append(this.#name, JSON.stringify(streamId), this.#retention);
    if ("error" in appended) throw appended.error;
  }

  /** @throws {EventStoreError} what the log throws. */
  async streamIds(): Promise<Set<string>> {
    const streamIds = new Set<string>();
    let after = 0;
    for (;;) {
      const page = await this.#log.read(this.#name, after, PAGE_SIZE);
      for (const { payload } of page?.entries ?? []) {
        const streamId: unknown = JSON.parse(payload);
        if (typeof streamId === "string") streamIds.add(streamId);
      }
      const last = page?.entries.at(-1);
      if (page === undefined || last === undefined || last.seq >= page.head.seq) return streamIds;
      after = last.seq;
    }
  }

  /** @throws {EventStoreError} what the log throws. */
  delete(): Promise<void> {
    return this.#log.delete(this.#name);
  }
}
