import { describe, expect, test, vi } from "vitest";
import { repetitions } from "../../../test-support/repetitions.js";
import { EventStore } from "../src/sdk/event-store.js";
import { memoryLog } from "../src/logs/memory.js";
import type { SessionEventStore } from "../src/sdk/session-event-store.js";
import { FaultyLog } from "./support/faulty-log.js";
import { numbered } from "./support/messages.js";
import { seededRandom } from "../../testing/src/random.js";
import { slowLog } from "./support/slow-log.js";

const MESSAGES = 150;
const seeds = Array.from({ length: repetitions({ full: 200, scaled: 3 }) }, (_, index) => index + 1);

/** A transport as both SDKs are, down to the order of their steps, and its one client, which dedupes by event id. */
class Wire {
  readonly received: number[] = [];
  readonly unstored = new Set<number>();
  isConnected = true;
  isResuming = false;
  cursor = "";
  resumes = 0;
  failedResumes = 0;
  readonly #session: SessionEventStore;
  readonly #seen = new Set<string>();
  #connection = 0;

  constructor(session: SessionEventStore) {
    this.#session = session;
  }

  async send(number: number): Promise<void> {
    const id = await this.#session.storeEvent("stream", numbered(number));
    if (id === "") this.unstored.add(number);
    if (this.isConnected) this.#deliver(id, number);
  }

  drop(): void {
    this.isConnected = false;
    this.#connection += 1;
  }

  async resume(): Promise<void> {
    this.isResuming = true;
    await this.#resume();
    this.isResuming = false;
  }

  async #resume(): Promise<void> {
    const connection = this.#connection;
    const replayed: [string, number][] = [];
    try {
      const alias = await this.#session.getStreamIdForEventId(this.cursor);
      expect(alias).toBeDefined();
      await this.#session.replayEventsAfter(this.cursor, {
        send: (id, message) => {
          replayed.push([id, (message.params as { number: number }).number]);
          return Promise.resolve();
        },
      });
    } catch {
      this.failedResumes += 1;
      return;
    }
    if (connection !== this.#connection) return;
    this.resumes += 1;
    for (const [id, number] of replayed) this.#deliver(id, number);
    this.isConnected = true;
  }

  #deliver(id: string, number: number): void {
    if (id !== "" && this.#seen.has(id)) return;
    if (id !== "") {
      this.#seen.add(id);
      this.cursor = id;
    }
    this.received.push(number);
  }
}

describe("over a slow log that fails now and then, with a client that comes and goes,", () => {
  test.each(seeds)(
    "every message arrives, in order, and only unstored ones may repeat (seed %i)",
    async (seed) => {
      const random = seededRandom(seed);
      const faulty = new FaultyLog(slowLog(memoryLog(), random));
      const store = new EventStore({
        storage: faulty,
        maxEventsPerStream: null,
        operationTimeoutMs: 80,
        replayPageSize: 5,
      });
      const session = store.forSession("session");
      const wire = new Wire(session);
      wire.cursor = await session.storeEvent("stream", {});
      let rate = 0;
      faulty.breakWhen((_operation, stream) => {
        if (stream.startsWith("i:") || random() >= rate) return undefined;
        return random() < 0.7 ? "fail" : random() < 0.5 ? "hang" : "hang-after";
      });
      const sending: Promise<void>[] = [];
      for (let number = 0; number < MESSAGES; number += 1) {
        if (number % 25 === 0) rate = random() < 0.5 ? 0.15 : 0;
        sending.push(wire.send(number));
        if (wire.isConnected && random() < 0.2) wire.drop();
        if (!wire.isConnected && !wire.isResuming) void wire.resume();
        await new Promise((resolve) => setTimeout(resolve, random() * 6));
      }
      await Promise.all(sending);
      faulty.heal();
      wire.drop();
      await vi.waitFor(() => expect(wire.isResuming).toBe(false));
      while (!wire.isConnected) await wire.resume();

      const firsts = [...new Set(wire.received)];
      expect(firsts).toEqual(Array.from({ length: MESSAGES }, (_, number) => number));
      const repeated = wire.received.filter((number, index) => wire.received.indexOf(number) !== index);
      for (const number of repeated) expect(wire.unstored).toContain(number);
      expect(wire.resumes + wire.failedResumes).toBeGreaterThan(2);
      await store.close();
    },
  );
});
