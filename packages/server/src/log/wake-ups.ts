// Wakes the subscribers of streams in this process.

interface Subscriber {
  readonly wake: () => void;
  isWaking: boolean;
  isActive: boolean;
}

/**
 * The subscribers of a log's streams, woken in this process. Drivers call `wake` after an append took effect, and
 * after `end` and `delete`, so that a reader who follows the stream looks again.
 *
 * A subscriber is called from a microtask: what it throws cannot fail the append. Several wake-ups before that
 * microtask are one call. After its unsubscribe it is not called any more.
 */
export class WakeUps {
  readonly #subscribers = new Map<string, Set<Subscriber>>();

  subscribe(stream: string, wake: () => void): () => void {
    const subscriber: Subscriber = { wake, isWaking: false, isActive: true };
    const existing = this.#subscribers.get(stream);
    if (existing === undefined) this.#subscribers.set(stream, new Set([subscriber]));
    else existing.add(subscriber);
    return () => this.#remove(stream, subscriber);
  }

  wake(stream: string): void {
    const subscribers = this.#subscribers.get(stream);
    if (subscribers === undefined) return;
    for (const subscriber of subscribers) schedule(subscriber);
  }

  /** Wakes everybody: for drivers that cannot tell what they missed, as after a lost connection. */
  wakeAll(): void {
    for (const stream of this.#subscribers.keys()) this.wake(stream);
  }

  /** Wakes everybody one last time, so that no reader waits for a closed log, and forgets them. */
  close(): void {
    this.wakeAll();
    this.#subscribers.clear();
  }

  /** Whether anybody listens: drivers that must ask a server for wake-ups need not for the other streams. */
  has(stream: string): boolean {
    return this.#subscribers.has(stream);
  }

  #remove(stream: string, subscriber: Subscriber): void {
    subscriber.isActive = false;
    const subscribers = this.#subscribers.get(stream);
    if (subscribers?.delete(subscriber) === true && subscribers.size === 0) this.#subscribers.delete(stream);
  }
}

function schedule(subscriber: Subscriber): void {
  if (subscriber.isWaking) return;
  subscriber.isWaking = true;
  queueMicrotask(() => {
    subscriber.isWaking = false;
    if (subscriber.isActive) subscriber.wake();
  });
}
