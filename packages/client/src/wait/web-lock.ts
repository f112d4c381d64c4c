// Takes a Web Lock and hands back how to release it, where the browser's own API holds it for as long as a callback runs.

export type Unlock = () => Promise<void>;

/** @returns how to release the lock, or `undefined` when another client has it and `options` ask not to wait */
export function lock(locks: LockManager, name: string, options: LockOptions): Promise<Unlock | undefined> {
  return new Promise((resolve, reject) => {
    const ended = locks.request(
      name,
      options,
      (granted) =>
        granted &&
        new Promise<void>((unlock) => {
          resolve(() => {
            unlock();
            return ended.then(() => undefined);
          });
        }),
    );
    ended.then(() => resolve(undefined), reject);
  });
}
