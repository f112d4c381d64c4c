/**
 * Exclusive Web Locks as the specification has them (https://w3c.github.io/web-locks/), for Node 20, which has none:
 * `request` with `ifAvailable` and `signal`, `query`, and the release of all that a client held when it ends.
 */
export class TestLocks {
  readonly #held: { readonly info: LockInfo; readonly release: () => void }[] = [];
  readonly #queue: { readonly info: LockInfo; readonly grant: () => void }[] = [];
  /** Names that were requested while another client held them: what throws a page out of the back/forward cache. */
  readonly contended: string[] = [];
  /** How often anybody looked. */
  queries = 0;

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
      if (this.#isHeld(name)) {
        this.contended.push(name);
        if (options.ifAvailable === true) return await callback(null);
      }
      return await this.#whenFree({ name, mode: "exclusive", clientId }, options.signal, callback);
    };
    return {
      request,
      query: () => {
        this.queries++;
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

  get heldNames(): string[] {
    return this.#held.map(({ info }) => info.name ?? "");
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
