import { ResumeError } from "../errors.js";
import { isMessage, isRecord, isRequest, type JsonRpcRequest, type Params } from "../json-rpc.js";
import type { Slot, StateScope, StateStore } from "./state-store.js";
import { within } from "../wait/abortable.js";

/** How long a store may take for anything before it counts as failed, in milliseconds. */
const STORE_LIMIT_MS = 10_000;

/** How long saving may hold up whoever waits for it, in milliseconds. */
const SAVE_LIMIT_MS = 2_000;

/** Interrupted calls that are kept, the newest: an app that never claims any must not resume ever more of them. */
const MAX_CALLS = 100;

/** A request in flight, as it is kept between two lives. */
export interface SavedCall {
  /** The request's id on the wire. */
  readonly id: string;
  readonly method: string;
  /** In milliseconds since the epoch. */
  readonly startedAt: number;
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

/** A request of the server that the app has not answered yet. */
export interface SavedServerRequest {
  readonly request: JsonRpcRequest;
  /** The event that it came with: a replay brings it again. */
  readonly event?: string;
  /** The call on whose stream it came. */
  readonly call?: string;
  /** The session that it belongs to, when that is not the record's own. */
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
  serverRequests: SavedServerRequest[];
  /** The events of requests that were answered, the newest last. */
  answered: string[];
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
    answered: [],
    logLevel: undefined,
    subscriptions: [],
  };
}

const isText = (value: unknown): value is string => typeof value === "string";
const isTextOrAbsent = (value: unknown): boolean => value === undefined || isText(value);

/** With one that `fetch` refuses to send, each request would look like a network that fails, until `gave-up`. */
const isHeaderOrAbsent = (value: unknown): boolean =>
  value === undefined || (isText(value) && /^[\x20-\x7e\x80-\xff]*$/.test(value));

const isSession = (value: unknown): value is SavedSession =>
  isRecord(value) && isHeaderOrAbsent(value.id) && isHeaderOrAbsent(value.protocolVersion);

/** What the SDK's client would not accept for an answer would fail every connect from here on. */
const isExchange = (value: unknown): boolean =>
  isRecord(value) &&
  isRecord(value.params) &&
  isRecord(value.result) &&
  isRecord(value.result.capabilities) &&
  isRecord(value.result.serverInfo) &&
  isText(value.result.protocolVersion);

const isCall = (value: unknown): value is SavedCall =>
  isRecord(value) &&
  isText(value.id) &&
  // As ids are minted: one is sent in a header (`Idempotency-Key`).
  /^[\w-]+$/.test(value.id) &&
  isText(value.method) &&
  typeof value.startedAt === "number" &&
  isTextOrAbsent(value.key) &&
  isTextOrAbsent(value.cursor) &&
  (value.params === undefined || isRecord(value.params)) &&
  (value.retryMs === undefined || typeof value.retryMs === "number") &&
  (value.session === undefined || isSession(value.session));

const isServerRequest = (value: unknown): value is SavedServerRequest =>
  isRecord(value) &&
  isMessage(value.request) &&
  isRequest(value.request) &&
  isTextOrAbsent(value.event) &&
  isTextOrAbsent(value.call) &&
  (value.session === undefined || isSession(value.session));

const isListOf = (value: unknown, isItem: (item: unknown) => boolean): boolean =>
  Array.isArray(value) && value.every(isItem);

/** Checks what a store gave back. A record that another version wrote, or nobody, is `undefined`. */
export function parseRecord(value: unknown): ClientRecord | undefined {
  if (!isRecord(value) || value.version !== 1 || typeof value.savedAt !== "number") return undefined;
  const isValid =
    isSession(value.session) &&
    (value.initialize === undefined || isExchange(value.initialize)) &&
    isTextOrAbsent(value.listenCursor) &&
    isTextOrAbsent(value.logLevel) &&
    isListOf(value.subscriptions, isText) &&
    isListOf(value.answered, isText) &&
    isListOf(value.calls, isCall) &&
    isListOf(value.serverRequests, isServerRequest);
  if (!isValid) return undefined;
  // Each field was checked above. A copy: the store's own may be frozen.
  return { ...emptyRecord(), ...structuredClone(value as unknown as ClientRecord) };
}

export interface SessionStateOptions {
  readonly store: StateStore;
  readonly scope: StateScope;
  readonly maxAgeMs: number;
  readonly onError: (error: ResumeError) => void;
  readonly signal: AbortSignal;
}

/**
 * The client's record and its way into the store. Writes are coalesced: one in flight, one waiting, newest wins.
 * A store that fails is reported once; the record then lives in memory.
 */
export class SessionState {
  readonly #slot: Slot | undefined;
  readonly #onError: (error: ResumeError) => void;
  #isWritable = true;
  #saving: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;
  #isOverdue = false;
  #isReported = false;
  record = emptyRecord();

  private constructor(slot: Slot | undefined, onError: (error: ResumeError) => void) {
    this.#slot = slot;
    this.#onError = onError;
  }

  /**
   * Takes a slot and reads its record. One that cannot be read is set aside, one older than `maxAgeMs` is forgotten.
   * Where the store fails, this life goes on in memory, and what may be in the store is left as it is.
   */
  static async open(options: SessionStateOptions): Promise<SessionState> {
    const { maxAgeMs, onError, scope, signal, store } = options;
    let acquiring: Promise<Slot> | undefined;
    try {
      acquiring = store.acquire(scope, signal);
      const slot = await within(acquiring, STORE_LIMIT_MS, signal);
      const state = new SessionState(slot, onError);
      await state.#read(slot, Date.now() - maxAgeMs, signal);
      return state;
    } catch (cause) {
      // Nobody waits for it any more.
      acquiring?.then((slot) => slot.release()).catch(() => undefined);
      const state = new SessionState(undefined, onError);
      if (!signal.aborted) state.#report(cause);
      return state;
    }
  }

  async #read(slot: Slot, oldest: number, signal: AbortSignal): Promise<void> {
    try {
      const value = await within(slot.load(), STORE_LIMIT_MS, signal);
      const record = parseRecord(value);
      if (record === undefined && value !== undefined)
        throw new ResumeError("state-corrupt", "The saved state is not a version 1 record");
      if (record === undefined || record.savedAt < oldest) return;
      record.calls = record.calls.filter(({ startedAt }) => startedAt >= oldest).slice(-MAX_CALLS);
      this.record = record;
    } catch (cause) {
      if (signal.aborted) return;
      this.#report(cause);
      const isCorrupt = cause instanceof ResumeError && cause.code === "state-corrupt";
      const aside = (): Promise<void> => within(slot.setAside(), STORE_LIMIT_MS);
      this.#isWritable =
        isCorrupt &&
        (await aside().then(
          () => true,
          () => false,
        ));
    }
  }

  /** Changes the record; it is saved soon. */
  change(edit: (record: ClientRecord) => void): void {
    edit(this.record);
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
    this.record = emptyRecord();
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
    this.record.savedAt = Date.now();
    try {
      await this.#slot?.save(this.record);
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
