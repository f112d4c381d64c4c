/** A node-redis client, as far as it tells when a connection breaks. */
export interface Breakable {
  on(event: string, listener: () => void): unknown;
  off(event: string, listener: () => void): unknown;
}

/** Node warns of more listeners on one signal. */
const MAX_COMMANDS_PER_SIGNAL = 10;
/** By then the client has written what it had to write, if it is connected: it does so in each turn of the event loop. */
const WRITTEN_AFTER_MS = 1;

/**
 * Takes back, when the connection breaks, what was given to a node-redis client and is not written yet.
 *
 * Else the client would write it to the dead socket, in the same turn of the event loop, after it has cleared its list
 * of calls that wait for an answer. They would wait on, be given the answers to others on the next connection, and as
 * the client's own greetings are among those, it might never be ready again (seen with 5.12.1).
 */
export class UnwrittenCommands {
  static readonly #ofClients = new WeakMap<Breakable, UnwrittenCommands>();

  readonly #client: Breakable;
  readonly #event: string;
  #users = 0;
  /** What was given since the last tick of the timer, and what in the one before. */
  #young: AbortController[] = [];
  #old: AbortController[] = [];
  #commandsOfLast = 0;
  #isTicking = false;

  /** Those of a client, shared by all logs on it, each of which releases them in the end. */
  static of(client: Breakable, event: string): UnwrittenCommands {
    const commands = this.#ofClients.get(client) ?? new UnwrittenCommands(client, event);
    this.#ofClients.set(client, commands);
    if (commands.#users === 0) client.on(event, commands.#takeBack);
    commands.#users += 1;
    return commands;
  }

  private constructor(client: Breakable, event: string) {
    this.#client = client;
    this.#event = event;
  }

  /** The signal to be given to the client with one command. */
  signal(isConnected: boolean): AbortSignal {
    let controller = this.#young.at(-1);
    if (controller === undefined || this.#commandsOfLast === MAX_COMMANDS_PER_SIGNAL) {
      controller = new AbortController();
      this.#young.push(controller);
      this.#commandsOfLast = 0;
    }
    this.#commandsOfLast += 1;
    if (isConnected && !this.#isTicking) {
      this.#isTicking = true;
      setTimeout(this.#tick, WRITTEN_AFTER_MS);
    }
    return controller.signal;
  }

  release(): void {
    this.#users -= 1;
    if (this.#users === 0) this.#client.off(this.#event, this.#takeBack);
  }

  /** Of the young ones, some may have come in this very turn of the event loop. */
  readonly #tick = (): void => {
    this.#isTicking = false;
    this.#old = this.#young;
    this.#young = [];
  };

  readonly #takeBack = (): void => {
    const controllers = [...this.#old, ...this.#young];
    this.#old = [];
    this.#young = [];
    for (const controller of controllers) controller.abort();
  };
}
