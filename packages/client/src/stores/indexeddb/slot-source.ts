import type { Page } from "./page.js";
import type { SlotOptions } from "../slot-options.js";
import type { SlotRecords } from "./slot-records.js";

/** Where the IndexedDB store's slots come from: the page it runs in, the records there, the store's options. */
export interface SlotSource {
  readonly page: Page;
  readonly records: SlotRecords;
  readonly databaseName: string;
  readonly options: Required<Omit<SlotOptions, "slotName">> & SlotOptions;
}

/** A slot that is this client's until `release`. */
export interface Acquired {
  readonly slot: string;
  /** When its record was saved; `undefined` when it has none, or where that does not matter. */
  readonly savedAt: number | undefined;
  /** To be saved with the record, where there are no locks. */
  readonly ticket: string | undefined;
  release(): Promise<void>;
}

/** 128 random bits. Not `randomUUID`, which plain-HTTP pages do not have. */
export const newSlotId = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join(
    "",
  );
