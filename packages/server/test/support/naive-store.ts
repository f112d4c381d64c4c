import type { EventLog } from "../../src/log/event-log.js";
import type { JsonRpcMessage } from "../../src/store/messages.js";

const RETENTION = { maxEvents: null, maxBytes: null, ttlMs: null, headTtlMs: null };

/**
 * An event store as the SDKs' examples write it, on the same log: store, and read what is there. It only lets a new
 * connection take over, so that what it loses is lost at the seam alone.
 */
export class NaiveStore {
  readonly #log: EventLog;

  constructor(log: EventLog) {
    this.#log = log;
  }

  async storeEvent(streamId: string, message: object): Promise<string> {
    const { seq } = await this.#log.append(streamId, JSON.stringify(message), RETENTION);
    return `${streamId}_${seq}`;
  }

  getStreamIdForEventId(): Promise<string> {
    return Promise.resolve("taken over");
  }

  async replayEventsAfter(
    lastEventId: string,
    { send }: { send: (eventId: string, message: JsonRpcMessage) => Promise<void> },
  ): Promise<string> {
    const [streamId = "", seq] = lastEventId.split("_");
    const page = await this.#log.read(streamId, Number(seq), 10_000);
    for (const entry of page?.entries ?? []) {
      await send(`${streamId}_${entry.seq}`, JSON.parse(entry.payload) as JsonRpcMessage);
    }
    return streamId;
  }
}
