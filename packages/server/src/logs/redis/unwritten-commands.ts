/** A node-redis client, as far as it tells when a connection breaks. */
export interface Breakable {
  on(event: string, listener: () => void): unknown;
  off(event: string, listener: () => void): unknown;
}

/** Node warns of more listeners on one signal. */
const MAX_COMMANDS_PER_SIGNAL = 10;

/**
 * Some commands that are taken back together. A controller for each one would cost more than all else that the log does
 * for it.
 */
class Group {
  readonly controller = new AbortController();
  /** How many of its commands are not answered yet. */
  commands = 0;
}

/**
 * Takes back, when the connection breaks, what was given to a node-redis client and is not written yet: it listens to a
 * command's signal until it has written it.
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
  /** The one that the next command belongs to. */
  #current = new Group();
  /** The others with commands that are not answered. */
  readonly #others = new Set<Group>();

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

  /** @param give hands one command to the client, together with the signal. */
  run<Reply>(give: (signal: AbortSignal) => Promise<Reply>): Promise<Reply> {
    const group = this.#withRoom();
    const reply = give(group.controller.signal);
    group.commands += 1;
    const answered = () => {
      group.commands -= 1;
      if (group.commands === 0) this.#others.delete(group);
    };
    reply.then(answered, answered);
    return reply;
  }

  release(): void {
    this.#users -= 1;
    if (this.#users === 0) this.#client.off(this.#event, this.#takeBack);
  }

  #withRoom(): Group {
    if (this.#current.commands === MAX_COMMANDS_PER_SIGNAL) {
      this.#others.add(this.#current);
      this.#current = new Group();
    }
    return this.#current;
  }

  readonly #takeBack = (): void => {
    const groups = [this.#current, ...this.#others];
    this.#current = new Group();
    this.#others.clear();
    for (const { controller } of groups) controller.abort();
  };
}
