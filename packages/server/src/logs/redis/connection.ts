/** What the log needs of the client that was handed in: the same for every kind of client. */
export interface Connection {
  /** Whether a script may touch streams of one slot alone. */
  readonly isCluster: boolean;
  /** Whether the client by itself sends again what was under way when a connection broke. */
  readonly resends: boolean;
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
  /**
   * Opens a connection of its own for wake-ups, to any server: it does not reconnect by itself.
   *
   * @param signal gives up opening.
   */
  openSubscriber(events: SubscriberEvents, signal: AbortSignal): Promise<Subscriber>;
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
