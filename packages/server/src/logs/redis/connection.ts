// Says what the log needs of a Redis client, whichever library the client comes from.

/** What the log needs of the client that was handed in: the same for every kind of client. */
export interface Connection {
  /** Whether a script may touch streams of one slot alone. */
  readonly isCluster: boolean;
  /** Whether the client by itself sends again what was under way when a connection broke. */
  readonly resends: boolean;
  /** Whether the client may give answers to other calls than theirs, once a connection has broken. */
  readonly mixesAnswers: boolean;
  /** What the client puts in front of every key by itself. */
  readonly keyPrefix: string;
  /** Whether the client was closed, or never opened: no call can succeed any more. */
  isClosed(): boolean;
  /**
   * Runs a command on the server that holds `key`; on any, without one.
   *
   * @returns the reply: strings, numbers, null, and arrays of them.
   */
  send(key: string | undefined, command: readonly string[]): Promise<unknown>;
  /** Whether a command that failed so was never sent. */
  wasNotSent(error: unknown): boolean;
  /**
   * Has the connection on which a command for `key` would go ended by the server, so that the client makes a new one,
   * where answers are given to the right calls again.
   */
  renew(key: string | undefined): void;
  /**
   * Opens a connection of its own for wake-ups, to any server: it does not reconnect by itself.
   *
   * @param signal gives up opening.
   */
  openSubscriber(events: SubscriberEvents, signal: AbortSignal): Promise<Subscriber>;
  /** Leaves the client as it was found. */
  release(): void;
}

export interface SubscriberEvents {
  readonly onMessage: (channel: string, message: string) => void;
  /** The connection is lost. May be called more than once. */
  readonly onLost: (reason: unknown) => void;
}

/** The extra connection. */
export interface Subscriber {
  subscribe(channels: readonly string[]): Promise<unknown>;
  unsubscribe(channels: readonly string[]): Promise<unknown>;
  /** Settles when the server has answered. */
  ping(): Promise<unknown>;
  /** Closes at once. Safe to call at any time. */
  close(): void;
}

/** One of several at random: the next attempt will likely meet another server. */
export function pickOne<T>(items: readonly T[]): T {
  const item = items[Math.floor(Math.random() * items.length)];
  if (item === undefined) throw new Error("The client knows no server of the cluster.");
  return item;
}
