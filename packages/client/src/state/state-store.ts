// Defines the contract of a state store, which keeps a client's record between two lives, in one slot for each live
// client.
/** Which saved state a client wants. */
export interface StateScope {
  /** The MCP server's URL. State of one server is never handed to a client of another. */
  readonly serverUrl: string;
  /** The app's user or account. State is never adopted across partitions. */
  readonly partition: string;
}

/**
 * One client's saved state. A slot belongs to one live client at a time, from `acquire` to `release`.
 * The record is plain JSON data; what it means is the transport's business.
 *
 * Calls take effect in the order in which they were made, awaited or not. After `release` all others reject with
 * `closed`, since the slot may be another client's by then.
 */
export interface Slot {
  /**
   * The saved record, or `undefined` when there is none.
   * @throws {ResumeError} `state-corrupt` when what is there cannot be read as a record,
   * `state-unavailable` when the storage fails.
   */
  load(): Promise<unknown>;
  /**
   * Replaces the record by this one as it is now.
   * @throws {ResumeError} `state-unavailable` when the storage fails (quota, permission).
   */
  save(record: unknown): Promise<void>;
  /** Removes the record. The slot stays acquired. */
  clear(): Promise<void>;
  /** Moves an unreadable record out of the way, where a person can look at it; `load` then finds none. */
  setAside(): Promise<void>;
  /** Gives the slot back, the record kept. Safe to call twice. */
  release(): Promise<void>;
}

/** Where clients keep their state between two lives. */
export interface StateStore {
  /**
   * Takes the slot of this client's previous life, else an orphan of the same scope, else a new one.
   * @throws {ResumeError} `state-unavailable` when the storage cannot be used; `signal.reason` when aborted.
   */
  acquire(scope: StateScope, signal: AbortSignal): Promise<Slot>;
}
