/**
 * Exclusive Web Locks as the specification has them (https://w3c.github.io/web-locks/), for Node 20, which has none:
 * `request` with `ifAvailable` and `signal`, `query`, and the release of all that a client held when it ends.
 * A client in the back/forward cache is thrown out of it, and its locks are released, when another one requests a lock
 * that it holds, or queries (Web Platform Tests, web-locks/bfcache).
 */
export class TestLocks {
  readonly #held: { readonly info: LockInfo; readonly release: () => void }[] = [];
  readonly #queue: { readonly info: LockInfo; readonly grant: () => void }[] = [];
  readonly #cached = new Set<string>();

  /** What `navigator.locks` is to one page or worker. */
  client(clientId: string): LockManager {
    const request = async <T>(
      name: string,
      ...rest: [LockGrantedCallback<T>] | [LockOptions, LockGrantedCallback<T>]
    ): Promise<Awaited<T>> => {
      const [options, callback] = rest.length === 1 ? [{}, rest[0]] : rest;
      if (options.ifAvailable === true && options.signal)
        throw new DOMException("signal and ifAvailable exclude one another", "NotSupportedError");
      options.signal?.throwIfAborted();
      this.#evict((held) => held === name);
      if (this.#isHeld(name) && options.ifAvailable === true) return await callback(null);
      return await this.#whenFree({ name, mode: "exclusive", clientId }, options.signal, callback);
    };
    return {
      request,
      query: () => {
        this.#evict(() => true);
        return Promise.resolve({
          held: this.#held.map(({ info }) => ({ ...info })),
          pending: this.#queue.map(({ info }) => ({ ...info })),
        });
      },
    };
  }

  /** The page or worker is gone: its locks are released, what it was waiting for is forgotten. */
  end(clientId: string): void {
    for (let at = this.#queue.length - 1; at >= 0; at--)
      if (this.#queue[at]?.info.clientId === clientId) this.#queue.splice(at, 1);
    for (const lock of [...this.#held]) if (lock.info.clientId === clientId) lock.release();
  }

  /** The page goes into the back/forward cache. */
  cache(clientId: string): void {
    this.#cached.add(clientId);
  }

  isCached(clientId: string): boolean {
    return this.#cached.has(clientId);
  }

  get waiting(): number {
    return this.#queue.length;
  }

  get heldNames(): string[] {
    return this.#held.map(({ info }) => info.name ?? "");
  }

  #evict(concerns: (name: string) => boolean): void {
    for (const { info } of [...this.#held]) {
      const { clientId = "", name = "" } = info;
      if (concerns(name) && this.#cached.delete(clientId)) this.end(clientId);
    }
  }

  #isHeld(name: string): boolean {
    return this.#held.some(({ info }) => info.name === name);
  }

  async #whenFree<T>(
    info: LockInfo & { name: string },
    signal: AbortSignal | undefined,
    callback: LockGrantedCallback<T>,
  ): Promise<Awaited<T>> {
    if (this.#isHeld(info.name)) {
      await new Promise<void>((grant, reject) => {
        const waiting = { info, grant };
        this.#queue.push(waiting);
        signal?.addEventListener("abort", () => {
          const at = this.#queue.indexOf(waiting);
          if (at >= 0) this.#queue.splice(at, 1);
          reject(signal.reason as Error);
        });
      });
    }
    const lock = { info, release: () => this.#release(lock) };
    this.#held.push(lock);
    try {
      return await callback({ name: info.name, mode: "exclusive" });
    } finally {
      lock.release();
    }
  }

  #release(lock: { readonly info: LockInfo; readonly release: () => void }): void {
    const at = this.#held.indexOf(lock);
    if (at < 0) return;
    this.#held.splice(at, 1);
    const next = this.#queue.findIndex(({ info }) => info.name === lock.info.name);
    if (next >= 0) this.#queue.splice(next, 1)[0]?.grant();
  }
}
