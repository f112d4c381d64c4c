// Finds the one scope of each session, and keeps alive those with unstored messages, within bounds.

import type { OpenStore } from "../store/open-store.js";
import { SessionScope } from "./session-scope.js";

/** Losses are counted for this many times as many sessions as may keep unstored messages. */
const COUNTED_PER_KEEPING = 10;

/**
 * The scopes of a store's sessions. A session has one scope while anybody holds it, a transport or something under way:
 * otherwise two could store in one stream out of step, and one would go on storing after the session has ended. So
 * scopes are found by weak references, which keep nothing alive.
 *
 * A scope with messages that could not be stored is kept besides, since nobody may hold it until its client resumes.
 * When there are too many of them, or they take too much memory, those that have waited for longest give up their
 * messages, and later on the counts of these.
 */
export class SessionScopes {
  readonly #store: OpenStore;
  readonly #known = new Map<string, WeakRef<SessionScope>>();
  readonly #collected = new FinalizationRegistry<string>((sessionId) => this.#forgetCollected(sessionId));
  /** Those with messages, and those that only count losses, each with its size; first who has waited for longest. */
  readonly #keeping = new Map<SessionScope, number>();
  readonly #counting = new Map<SessionScope, number>();
  #totalSize = 0;
  /** How much of it those take that only count losses. */
  #countingSize = 0;
  #isShrinking = false;

  constructor(store: OpenStore) {
    this.#store = store;
  }

  /** The session's scope, made if nobody holds one. */
  of(sessionId: string): SessionScope {
    const known = this.#known.get(sessionId)?.deref();
    if (known !== undefined) return known;
    const scope = new SessionScope(this.#store, sessionId, (changed) => this.#weigh(changed));
    this.#known.set(sessionId, new WeakRef(scope));
    this.#collected.register(scope, sessionId);
    return scope;
  }

  /** The session has ended: its name is free for another one. */
  delete(sessionId: string): void {
    this.#known.delete(sessionId);
  }

  #forgetCollected(sessionId: string): void {
    // There may be a new one of the same name.
    if (this.#known.get(sessionId)?.deref() === undefined) this.#known.delete(sessionId);
  }

  #weigh(scope: SessionScope): void {
    const { size, hasMessages } = scope.memory;
    const place = hasMessages ? this.#keeping : this.#counting;
    const isInPlace = place.has(scope) && size > 0;
    if (!isInPlace) this.#letGo(scope);
    if (size === 0) return;
    // What is kept here counts what waits; streams that wait for nothing would be kept beside it.
    if (!isInPlace) scope.forgetIdle();
    const grown = size - (place.get(scope) ?? 0);
    this.#totalSize += grown;
    if (place === this.#counting) this.#countingSize += grown;
    place.set(scope, size);
    if (!this.#isShrinking) this.#shrink();
  }

  #letGo(scope: SessionScope): void {
    const counting = this.#counting.get(scope) ?? 0;
    this.#totalSize -= (this.#keeping.get(scope) ?? 0) + counting;
    this.#countingSize -= counting;
    this.#keeping.delete(scope);
    this.#counting.delete(scope);
  }

  #shrink(): void {
    const { maxUnstoredSessions, maxUnstoredTotal } = this.#store.settings;
    this.#isShrinking = true;
    // Counts may take half of the memory at most: else there would be none left for messages, for ever.
    for (const scope of this.#counting.keys()) {
      if (this.#totalSize <= maxUnstoredTotal || this.#countingSize <= maxUnstoredTotal / 2) break;
      this.#letGo(scope);
    }
    for (const scope of this.#keeping.keys()) {
      if (this.#keeping.size <= maxUnstoredSessions && this.#totalSize <= maxUnstoredTotal) break;
      scope.memory.giveUpAll();
    }
    for (const scope of this.#counting.keys()) {
      const most = maxUnstoredSessions * COUNTED_PER_KEEPING;
      if (this.#counting.size <= most && this.#totalSize <= maxUnstoredTotal) break;
      this.#letGo(scope);
    }
    this.#isShrinking = false;
  }
}
