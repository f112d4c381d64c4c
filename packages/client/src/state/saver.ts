// Takes the client's slot in its store, reads the record of the previous life, and saves that of this one.
import { hasCode, ResumeError } from "../errors.js";
import { within } from "../wait/abortable.js";
import { type ClientRecord, emptyRecord, parseRecord, withoutOldCalls } from "./client-record.js";
import type { Slot, StateScope, StateStore } from "./state-store.js";

/** How long a store may take for anything before it counts as failed, in milliseconds. */
const STORE_LIMIT_MS = 10_000;

/** How long saving may hold up whoever waits for it, in milliseconds. */
const SAVE_LIMIT_MS = 2_000;

export interface SaverOptions {
  readonly store: StateStore;
  readonly scope: StateScope;
  readonly maxAgeMs: number;
  readonly onError: (error: ResumeError) => void;
  readonly signal: AbortSignal;
}

/** What one live object contributes to the record, as it is now. */
type Part = () => Partial<ClientRecord>;

/**
 * Saves what the live objects say of themselves. Writes are coalesced: one in flight, one waiting, newest wins.
 * A store that fails is reported once; what would be saved then lives in memory only.
 */
export class Saver {
  readonly #slot: Slot | undefined;
  readonly #onError: (error: ResumeError) => void;
  #restored = emptyRecord();
  #parts: Part[] = [];
  #isWritable = true;
  #saving: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;
  #isOverdue = false;
  #isReported = false;

  private constructor(slot: Slot | undefined, onError: (error: ResumeError) => void) {
    this.#slot = slot;
    this.#onError = onError;
  }

  /**
   * Takes a slot and reads its record. One that cannot be read is set aside, one older than `maxAgeMs` is forgotten.
   * Where the store fails, this life goes on in memory, and what may be in the store is left as it is.
   */
  static async open(options: SaverOptions): Promise<Saver> {
    const { maxAgeMs, onError, scope, signal, store } = options;
    let acquiring: Promise<Slot> | undefined;
    try {
      acquiring = store.acquire(scope, signal);
      const slot = await within(acquiring, STORE_LIMIT_MS, signal);
      const saver = new Saver(slot, onError);
      await saver.#read(slot, Date.now() - maxAgeMs, signal);
      return saver;
    } catch (cause) {
      // Nobody waits for it any more.
      acquiring?.then((slot) => slot.release()).catch(() => undefined);
      const saver = new Saver(undefined, onError);
      if (!signal.aborted) saver.#report(cause);
      return saver;
    }
  }

  async #read(slot: Slot, oldest: number, signal: AbortSignal): Promise<void> {
    try {
      const value = await within(slot.load(), STORE_LIMIT_MS, signal);
      const record = parseRecord(value);
      if (record === undefined && value !== undefined)
        throw new ResumeError("state-corrupt", "The saved state is not a version 1 record");
      if (record === undefined || record.savedAt < oldest) return;
      this.#restored = withoutOldCalls(record, oldest);
    } catch (cause) {
      if (signal.aborted) return;
      this.#report(cause);
      const aside = (): Promise<void> => within(slot.setAside(), STORE_LIMIT_MS);
      this.#isWritable =
        hasCode(cause, "state-corrupt") &&
        (await aside().then(
          () => true,
          () => false,
        ));
    }
  }

  /** What the previous life left. */
  get restored(): ClientRecord {
    return this.#restored;
  }

  /** Lets a live object say, at each save, what stands in the record in place of what was restored. */
  keep(part: Part): void {
    this.#parts.push(part);
  }

  /** What would be saved now. */
  toJSON(): ClientRecord {
    // Each part is some fields of a record, and what was restored has them all.
    return Object.assign({}, this.#restored, ...this.#parts.map((part) => part())) as ClientRecord;
  }

  /** Something has changed: it is saved soon. */
  schedule(): void {
    // The changes of one tick are one write.
    this.#next ??= this.#saving.then(() => this.#save());
  }

  /** Resolves when everything changed so far was saved, or could not be; after 2 s at most. */
  async flush(): Promise<void> {
    // A store that hangs holds nobody up twice.
    if (this.#isOverdue) return;
    try {
      await within(this.#next ?? this.#saving, SAVE_LIMIT_MS);
    } catch (cause) {
      this.#isOverdue = true;
      this.#report(cause);
    }
  }

  /** Forgets everything, in the store too, and saves nothing more. @throws {ResumeError} `state-unavailable` */
  async clear(): Promise<void> {
    await this.flush();
    this.#isWritable = false;
    this.#parts = [];
    this.#restored = emptyRecord();
    await this.#within((slot) => slot.clear());
  }

  /** Saves what is unsaved and gives the slot back. @throws {ResumeError} `state-unavailable` */
  async release(): Promise<void> {
    await this.flush();
    this.#isWritable = false;
    await this.#within((slot) => slot.release());
  }

  async #within(step: (slot: Slot) => Promise<void>): Promise<void> {
    if (this.#slot === undefined) return;
    try {
      await within(step(this.#slot), STORE_LIMIT_MS);
    } catch (cause) {
      throw stateUnavailable(cause);
    }
  }

  async #save(): Promise<void> {
    this.#saving = this.#next ?? this.#saving;
    this.#next = undefined;
    if (!this.#isWritable) return;
    try {
      await this.#slot?.save({ ...this.toJSON(), savedAt: Date.now() });
      this.#isReported = false;
    } catch (cause) {
      this.#report(cause);
    }
    this.#isOverdue = false;
  }

  #report(cause: unknown): void {
    if (!this.#isReported) this.#onError(stateUnavailable(cause));
    this.#isReported = true;
  }
}

/** What a store's failure means for the app. */
function stateUnavailable(cause: unknown): ResumeError {
  const message = "The state store failed; what is not saved is lost with this page or process";
  return cause instanceof ResumeError ? cause : new ResumeError("state-unavailable", message, { cause });
}
