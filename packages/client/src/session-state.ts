import { ResumeError } from "./errors.js";
import { isMessage, isRecord, isRequest, type JsonRpcRequest, type Params } from "./json-rpc.js";
import type { Slot } from "./state-store.js";

/** A request in flight, as it is kept between two lives. */
export interface SavedCall {
  /** The request's id on the wire. */
  readonly id: string;
  readonly method: string;
  /** The app's own name for the call: `_meta["resumable-mcp/key"]`. */
  readonly key?: string;
  /** Absent when the app keeps parameters out of the record. */
  readonly params?: Params;
  /** The last event whose message was handed to the app. Without one the call cannot be resumed. */
  cursor?: string;
  retryMs?: number;
  /** The session that the call runs in, when it is not the record's own. */
  session?: SavedSession;
}

export interface SavedSession {
  readonly id?: string;
  readonly protocolVersion?: string;
}

/** Everything that outlives a page or a process. Version 1. */
export interface ClientRecord {
  readonly version: 1;
  /** When it was last saved, in milliseconds since the epoch. */
  savedAt: number;
  session: SavedSession;
  /** The initialize exchange, so that the next life connects without a round trip. */
  initialize: { readonly params: Params; readonly result: Params } | undefined;
  calls: SavedCall[];
  /** The standalone stream's cursor. */
  listenCursor: string | undefined;
  /** Requests of the server that the app has not answered yet. */
  serverRequests: JsonRpcRequest[];
  /** The last `logging/setLevel`, and the resources subscribed to: a new session has to be told again. */
  logLevel: string | undefined;
  subscriptions: string[];
}

export function emptyRecord(): ClientRecord {
  return {
    version: 1,
    savedAt: 0,
    session: {},
    initialize: undefined,
    calls: [],
    listenCursor: undefined,
    serverRequests: [],
    logLevel: undefined,
    subscriptions: [],
  };
}

const isText = (value: unknown): value is string => typeof value === "string";
const isTextOrAbsent = (value: unknown): boolean => value === undefined || isText(value);

const isSession = (value: unknown): value is SavedSession =>
  isRecord(value) && isTextOrAbsent(value.id) && isTextOrAbsent(value.protocolVersion);

const isCall = (value: unknown): value is SavedCall =>
  isRecord(value) &&
  isText(value.id) &&
  isText(value.method) &&
  isTextOrAbsent(value.key) &&
  isTextOrAbsent(value.cursor) &&
  (value.params === undefined || isRecord(value.params)) &&
  (value.retryMs === undefined || typeof value.retryMs === "number") &&
  (value.session === undefined || isSession(value.session));

const isServerRequest = (value: unknown): value is JsonRpcRequest => isMessage(value) && isRequest(value);

/** Checks what a store gave back. A record that another version wrote, or nobody, is `undefined`. */
export function parseRecord(value: unknown): ClientRecord | undefined {
  if (!isRecord(value) || value.version !== 1 || typeof value.savedAt !== "number") return undefined;
  const { session, initialize, calls, listenCursor, serverRequests, logLevel, subscriptions } = value;
  if (!isSession(session) || !isTextOrAbsent(listenCursor) || !isTextOrAbsent(logLevel)) return undefined;
  if (!Array.isArray(subscriptions) || !subscriptions.every(isText)) return undefined;
  if (!Array.isArray(calls) || !calls.every(isCall)) return undefined;
  if (!Array.isArray(serverRequests) || !serverRequests.every(isServerRequest)) return undefined;
  const isExchange = isRecord(initialize) && isRecord(initialize.params) && isRecord(initialize.result);
  if (initialize !== undefined && !isExchange) return undefined;
  // Each field was checked above.
  return { ...emptyRecord(), ...(value as unknown as ClientRecord) };
}

/**
 * The client's record and its way into the store. Writes are coalesced: one in flight, one waiting, newest wins.
 * A store that fails is reported once; the record then lives in memory.
 */
export class SessionState {
  readonly #slot: Slot | undefined;
  readonly #onError: (error: ResumeError) => void;
  #writing: Promise<void> | undefined;
  #dirty = false;
  #failed = false;
  record: ClientRecord;

  private constructor(slot: Slot | undefined, record: ClientRecord, onError: (error: ResumeError) => void) {
    this.#slot = slot;
    this.#onError = onError;
    this.record = record;
  }

  /**
   * Reads the slot's record. One that cannot be read is set aside and reported, one older than `maxAgeMs` is
   * forgotten; both start afresh.
   */
  static async open(
    slot: Slot | undefined,
    maxAgeMs: number,
    onError: (error: ResumeError) => void,
  ): Promise<SessionState> {
    const fresh = (): SessionState => new SessionState(slot, emptyRecord(), onError);
    if (slot === undefined) return fresh();
    try {
      const value = await slot.load();
      if (value === undefined) return fresh();
      const record = parseRecord(value);
      if (record === undefined)
        throw new ResumeError("state-corrupt", "The saved state is not a version 1 record");
      return Date.now() - record.savedAt > maxAgeMs ? fresh() : new SessionState(slot, record, onError);
    } catch (cause) {
      const error =
        cause instanceof ResumeError
          ? cause
          : new ResumeError("state-unavailable", "The saved state could not be read", { cause });
      onError(error);
      if (error.code === "state-corrupt") await slot.setAside().catch(() => undefined);
      return fresh();
    }
  }

  /** Changes the record; it is saved soon. */
  change(edit: (record: ClientRecord) => void): void {
    edit(this.record);
    this.#dirty = true;
    this.#writing ??= this.#write();
  }

  /** Resolves when everything changed so far was saved, or could not be. */
  async flush(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  /** Forgets everything, in the store too. */
  async clear(): Promise<void> {
    await this.flush();
    this.record = emptyRecord();
    await this.#slot?.clear();
  }

  /** Saves what is unsaved and gives the slot back. */
  async release(): Promise<void> {
    await this.flush();
    await this.#slot?.release();
  }

  async #write(): Promise<void> {
    // The changes of one tick are one write.
    await Promise.resolve();
    while (this.#dirty) {
      this.#dirty = false;
      this.record.savedAt = Date.now();
      try {
        await this.#slot?.save(structuredClone(this.record));
        this.#failed = false;
      } catch (cause) {
        if (!this.#failed) this.#report(cause);
        this.#failed = true;
      }
    }
    this.#writing = undefined;
  }

  #report(cause: unknown): void {
    this.#onError(
      cause instanceof ResumeError
        ? cause
        : new ResumeError("state-unavailable", "The state could not be saved; a reload would lose it", {
            cause,
          }),
    );
  }
}
