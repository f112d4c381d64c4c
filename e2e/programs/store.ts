// Acquires one slot of the IndexedDB store and saves to it, in a page or a worker.
import { ResumeError, type Slot } from "@resumable-mcp/client";
import { indexedDBStore, type IndexedDBStoreOptions } from "@resumable-mcp/client/stores/indexeddb";

/** What acquiring a slot came to. */
export interface Acquired {
  readonly record?: unknown;
  readonly error?: string;
  readonly cause?: string | undefined;
}

const SCOPE = { serverUrl: "https://mcp.example/mcp", partition: "" };

let slot: Slot | undefined;

export async function acquire(options?: IndexedDBStoreOptions): Promise<Acquired> {
  try {
    slot = await indexedDBStore(options).acquire(SCOPE, new AbortController().signal);
    return { record: (await slot.load()) ?? null };
  } catch (error) {
    if (!(error instanceof ResumeError)) throw error;
    // A DOMException is an Error everywhere that these tests run.
    return { error: error.code, cause: error.cause instanceof Error ? error.cause.name : undefined };
  }
}

export async function save(record: unknown): Promise<void> {
  if (slot === undefined) throw new Error("No slot has been acquired.");
  await slot.save(record);
}
