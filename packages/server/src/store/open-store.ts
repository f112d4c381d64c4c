// Opens the storage of an event store and holds what all streams of the store share until it is closed.

import { EventStoreError } from "../log/errors.js";
import type { EventLog } from "../log/event-log.js";
import type { AsyncKeyValue } from "../logs/key-value/async-key-value.js";
import { keyValueLog } from "../logs/key-value/key-value-log.js";
import { memoryLog } from "../logs/memory.js";
import { LimitedLog } from "./time-limited-log.js";
import { type Observe, safely } from "./observation.js";
import { type EventStoreOptions, settingsFrom, type StoreSettings } from "./options.js";

/** What all streams of a store share. */
export class OpenStore {
  readonly settings: StoreSettings;
  readonly log: LimitedLog;
  /** `undefined` when nobody observes the store, so that nothing is measured for nobody. */
  readonly observe: Observe | undefined;
  /** How many messages went out live because they could not be stored. */
  unstoredCount = 0;
  readonly #ownsLog: boolean;
  #underWay = 0;
  #onQuiet: (() => void) | undefined;
  #closing: Promise<void> | undefined;

  /** @throws {EventStoreError} `invalid-option` */
  constructor(options: EventStoreOptions) {
    const { storage, observe } = options;
    this.settings = settingsFrom(options);
    const log = storage === undefined ? memoryLog() : logOf(storage);
    this.#ownsLog = storage === undefined || !isLog(storage);
    this.log = new LimitedLog(log, this.settings.operationTimeoutMs);
    this.observe = observe === undefined ? undefined : safely(observe);
  }

  get isClosed(): boolean {
    return this.#closing !== undefined;
  }

  /** @throws {EventStoreError} `closed` */
  assertOpen(): void {
    if (this.isClosed) throw new EventStoreError("closed", "The event store was closed.");
  }

  /** Something begins that `close` waits for, until `ended` is called. All of it is limited in time. */
  began(): void {
    this.#underWay += 1;
  }

  ended(): void {
    this.#underWay -= 1;
    if (this.#underWay === 0) this.#onQuiet?.();
  }

  /** Lets `close` wait for the work, however it ends. */
  track<T>(work: Promise<T>): Promise<T> {
    this.began();
    const done = (): void => this.ended();
    work.then(done, done);
    return work;
  }

  /** Waits for what is under way. A log that was handed in stays open. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#underWay > 0) {
      await new Promise<void>((resolve) => {
        this.#onQuiet = resolve;
      });
    }
    if (this.#ownsLog) await this.log.close();
  }
}

/** A log itself, or a log over a key-value store. @throws {EventStoreError} `invalid-option` */
function logOf(storage: EventLog | AsyncKeyValue): EventLog {
  if (isLog(storage)) return storage;
  if (isKeyValue(storage)) return keyValueLog(storage);
  throw new EventStoreError(
    "invalid-option",
    "storage must be an EventLog (append, read, subscribe, …) or an AsyncKeyValue (get, put, …); it has neither " +
      "append and subscribe nor get and put.",
  );
}

/** The two have no method in common but `delete`. */
function isLog(storage: EventLog | AsyncKeyValue): storage is EventLog {
  return hasMethod(storage, "append") && hasMethod(storage, "subscribe") && hasMethod(storage, "read");
}

function isKeyValue(storage: unknown): storage is AsyncKeyValue {
  return hasMethod(storage, "get") && hasMethod(storage, "put");
}

function hasMethod(value: unknown, name: string): boolean {
  if (typeof value !== "object" || value === null) return false;
  return typeof Reflect.get(value, name) === "function";
}
